"""What the dynamic loader writes into an image (System V ABI, AMD64 supplement, section 4.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from burnish.core.image import Import, Segment
from burnish.images.symbols import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lief


@dataclass(frozen=True, slots=True)
class Relocated:
    """Locations by what fills them: ``relative`` with an image address, ``got`` with the address of a symbol,
    ``ifuncs`` with what a resolver returns. ``values`` has what is known of the bytes for a load at the linked
    address (symbols that are not interposed included)."""

    relative: dict[int, int] = field(default_factory=dict[int, int])
    got: dict[int, Import] = field(default_factory=dict[int, Import])
    ifuncs: dict[int, int] = field(default_factory=dict[int, int])
    values: dict[int, int] = field(default_factory=dict[int, int])


def dynamic_relocations(binary: lief.ELF.Binary, segments: Sequence[Segment]) -> Relocated:
    """Reads ``.rela.dyn``, ``.rela.plt`` and ``.relr.dyn``. Thread-local and copy relocations change nothing that
    code analysis reads and are left out."""
    import lief

    types = lief.ELF.Relocation.TYPE
    result = Relocated()
    for relocation in binary.dynamic_relocations:
        kind, address = relocation.type, relocation.address
        if relocation.is_relatively_encoded:
            _relative(result, address, _word(segments, address))
        elif kind in (types.X86_64_RELATIVE, types.X86_64_RELATIVE64):
            _relative(result, address, relocation.addend)
        elif kind == types.X86_64_IRELATIVE:
            result.ifuncs[address] = relocation.addend
        elif kind in (types.X86_64_GLOB_DAT, types.X86_64_JUMP_SLOT, types.X86_64_64):
            symbol = relocation.symbol
            if symbol is None or not text(symbol.name):
                continue
            addend = relocation.addend if kind == types.X86_64_64 else 0
            if symbol.value and symbol.shndx and symbol.type != lief.ELF.Symbol.TYPE.GNU_IFUNC:
                result.values[address] = symbol.value + addend
            result.got[address] = import_of(symbol, addend)
    for relocation in binary.pltgot_relocations:
        kind, address, symbol = relocation.type, relocation.address, relocation.symbol
        if kind == types.X86_64_IRELATIVE:
            result.ifuncs[address] = relocation.addend
        elif symbol is not None and text(symbol.name):
            result.got[address] = import_of(symbol)
    return result


def import_of(symbol: lief.ELF.Symbol, offset: int = 0) -> Import:
    """Name and version of what a relocation refers to, and what it adds."""
    version = ""
    if symbol.has_version and (found := symbol.symbol_version) is not None:
        auxiliary = found.symbol_version_auxiliary if found.has_auxiliary_version else None
        version = "" if auxiliary is None else text(auxiliary.name)
    return Import(text(symbol.name), version, offset)


def _relative(result: Relocated, address: int, target: int) -> None:
    result.relative[address] = target
    result.values[address] = target


def _word(segments: Sequence[Segment], address: int) -> int:
    for segment in segments:
        if segment.address <= address and address + 8 <= segment.end:
            return struct.unpack_from("<Q", segment.data, address - segment.address)[0]
    return 0
