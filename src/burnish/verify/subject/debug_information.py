"""pyelftools' view of a file's debug information, with abbreviations that are read when an entry has them.

pyelftools reads all abbreviations of a unit before the first entry, which takes longer than what is asked of a file.
"""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownParameterType=false
from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from elftools.common.utils import struct_parse
from elftools.dwarf.abbrevtable import AbbrevDecl
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.elf.elffile import ELFFile

from burnish.verify.subject.debug_entries import Shapes
from burnish.verify.subject.debug_sections import SECTIONS

_UNREAD = ("debug_frame_sec", "eh_frame_sec", "debug_pubtypes_sec", "debug_pubnames_sec")
_USUAL = (8, 4, 4)
"""Bytes of addresses, offsets and references between units."""


def from_file(elf: bytes) -> Any:
    """The ``DWARFInfo`` of an ELF file, read by pyelftools alone; None where it has none."""
    file: Any = ELFFile(io.BytesIO(elf))
    if not file.has_dwarf_info():
        return None
    relocates = file.header["e_type"] == "ET_REL"
    return file.get_dwarf_info(relocate_dwarf_sections=relocates, follow_links=False)


def from_sections(sections: Mapping[str, bytes]) -> Any:
    """The same from its parts: pyelftools reads much of a file before it comes to them."""
    if ".debug_info" not in sections:
        return None
    given: dict[str, Any] = dict.fromkeys((*_UNREAD, *(f"{name[1:]}_sec" for name in SECTIONS)))
    for name, data in sections.items():
        given[f"{name[1:]}_sec"] = DebugSectionDescriptor(io.BytesIO(data), name, 0, len(data), 0)
    return _Information(DwarfConfig(little_endian=True, machine_arch="x64", default_address_size=8), **given)


def shapes_of(unit: Any) -> Shapes:
    """The abbreviations of a unit of pyelftools."""
    address, offset = unit.structs.address_size, unit.structs.dwarf_format // 8
    reference = address if unit.structs.dwarf_version == 2 else offset
    sizes, info, at = (address, offset, reference), unit.dwarfinfo, unit["debug_abbrev_offset"]
    if sizes == _USUAL and isinstance(info, _Information):
        return info.shapes(at)
    return Shapes(info.debug_abbrev_sec.stream.getvalue(), at, sizes)


class _Information(DWARFInfo):
    """Debug information whose tables of abbreviations are ``_Abbreviations``."""

    def __init__(self, config: Any, **sections: Any) -> None:
        super().__init__(config, **sections)
        self._abbreviations: bytes = sections["debug_abbrev_sec"].stream.getvalue()
        self._shapes: dict[int, Shapes] = {}
        self._lazy: dict[int, _Abbreviations] = {}

    def shapes(self, offset: int) -> Shapes:
        """The abbreviations at an offset, for units of the usual sizes."""
        if offset not in self._shapes:
            self._shapes[offset] = Shapes(self._abbreviations, offset, _USUAL)
        return self._shapes[offset]

    def get_abbrev_table(self, offset: int) -> Any:
        """What pyelftools asks for at the start of a unit."""
        if offset not in self._lazy:
            self._lazy[offset] = _Abbreviations(self, self.shapes(offset))
        return self._lazy[offset]


class _Abbreviations:
    """Stands for pyelftools' ``AbbrevTable``: of each abbreviation what it makes of it, when it is asked for."""

    def __init__(self, info: Any, known: Shapes) -> None:
        self._info = info
        self._shapes = known
        self._read: dict[int, AbbrevDecl] = {}

    def get_abbrev(self, code: int) -> AbbrevDecl:
        """The abbreviation with a code. Raises ``KeyError`` where there is none."""
        if code not in self._read:
            stream = self._info.debug_abbrev_sec.stream
            found = struct_parse(self._info.structs.Dwarf_abbrev_declaration, stream, self._shapes[code].at)
            self._read[code] = AbbrevDecl(code, found)
        return self._read[code]
