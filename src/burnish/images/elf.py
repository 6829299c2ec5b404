"""ELF executables and shared libraries as images (LIEF reads the tables; ``objects`` has relocatable objects).

Formats: System V ABI, generic part, chapters 4 and 5, and its AMD64 supplement, sections 4.4 and 5.2.
"""

from __future__ import annotations

import os
import struct
import tempfile
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import ImageError
from burnish.core.image import Access, Image, ImageKind, Section, Segment
from burnish.images.file_check import read_elf
from burnish.images.functions import function_bounds
from burnish.images.locate import locate
from burnish.images.objects import load_object
from burnish.images.plt import plt_stubs
from burnish.images.relocations import Relocated, dynamic_relocations
from burnish.images.symbols import dynamic_and_static_symbols, text

if TYPE_CHECKING:
    import lief

_BIG_ZERO_FILL = 16 << 20
_DF_1_PIE = 0x08000000
_SHF_ALLOC, _SHF_TLS = 0x2, 0x400


def load(file: str | os.PathLike[str]) -> Image:
    """Loads an executable, shared library or relocatable object for x86-64.

    ``file`` is a path, or the bare name of a shared library, which is looked for as the loader does. All
    addresses of the result are as linked; sections of an object are laid out one after another.
    Raises ``ImageError`` with one sentence for what is missing, unreadable, damaged or of another kind.
    """
    path = locate(file)
    return _load(path, read_elf(path))


def load_bytes(data: bytes, path: Path, what: str) -> Image:
    """The same of a file's content. The image says that it comes from ``path``; errors speak of ``what``."""
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        made = Path(folder) / "content"
        made.write_bytes(data)
        try:
            return replace(load(made), path=path)
        except ImageError as error:
            raise ImageError(str(error).replace(str(made), what)) from None


def _load(path: Path, data: bytes) -> Image:
    (kind,) = struct.unpack_from("<H", data, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # LIEF's, about enumerators that it does not know
        binary = parse(path, data)
        return load_object(path, binary) if kind == 1 else _load_linked(path, binary, data)


def parse(path: Path, data: bytes) -> lief.ELF.Binary:
    """LIEF's view of a file that ``read_elf`` accepted; ``ImageError`` where LIEF rejects it."""
    import lief

    lief.logging.disable()  # it would log to the standard output
    try:
        binary = lief.ELF.parse(data)  # pyright: ignore[reportUnknownMemberType]
    except Exception as error:  # LIEF raises what its C++ raises
        raise ImageError(f"{path} is damaged: LIEF cannot read it ({error})") from error
    if binary is None:
        raise ImageError(f"{path} is damaged: LIEF cannot read it")
    return binary


def _load_linked(path: Path, binary: lief.ELF.Binary, data: bytes) -> Image:
    segments = _segments(path, data)
    if not any(Access.EXECUTE in segment.access for segment in segments):
        raise ImageError(f"{path} holds no machine code (is it a separate debug file?)")
    relocated = dynamic_relocations(binary, segments)
    image = Image(
        path=path,
        kind=_kind(binary),
        segments=_patched(segments, relocated),
        functions=(),
        entry=binary.header.entrypoint,
        build_id=_build_id(binary),
        got=relocated.got,
        relative=relocated.relative,
        ifuncs=relocated.ifuncs,
        constant=_relro(binary),
        sections=_sections(binary),
        unwind_table=_unwind_table(binary),
        needed=tuple(text(name) for name in binary.libraries),
        soname=_soname(binary),
    )
    image = replace(image, plt=plt_stubs(image))
    return replace(image, functions=function_bounds(image, dynamic_and_static_symbols(binary)))


def _segments(path: Path, data: bytes) -> tuple[Segment, ...]:
    """What the loader maps. A large zero fill becomes a segment of its own, whose pages cost nothing."""
    phoff, phnum = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    found: list[Segment] = []
    for i in range(phnum):
        kind, flags, offset, address, _, size, memory, _ = struct.unpack_from(
            "<IIQQQQQQ", data, phoff + 56 * i
        )
        if kind != 1 or not memory:
            continue
        access, content = Access(flags & 7), data[offset : offset + size]
        zeros = memory - size
        if zeros <= _BIG_ZERO_FILL:
            found.append(Segment(address, content + bytes(zeros), access))
            continue
        if content:
            found.append(Segment(address, content, access))
        found.append(Segment(address + size, bytes(zeros), access))
    found.sort(key=lambda segment: segment.address)
    for before, after in pairwise(found):
        if before.end > after.address:
            raise ImageError(f"{path} is damaged: two segments overlap at {after.address:#x}")
    return tuple(found)


def _patched(segments: tuple[Segment, ...], relocated: Relocated) -> tuple[Segment, ...]:
    """The segments with the values that relocation writes for a load at the linked address."""
    result: list[Segment] = []
    places = sorted(relocated.values.items())
    for segment in segments:
        inside = [(a, v) for a, v in places if segment.address <= a and a + 8 <= segment.end]
        if inside:
            data = bytearray(segment.data)
            for address, value in inside:
                struct.pack_into("<Q", data, address - segment.address, value & (1 << 64) - 1)
            segment = replace(segment, data=bytes(data))
        result.append(segment)
    return tuple(result)


def _kind(binary: lief.ELF.Binary) -> ImageKind:
    import lief

    if binary.header.file_type == lief.ELF.Header.FILE_TYPE.EXEC:
        return ImageKind.EXECUTABLE
    flags = binary.get(lief.ELF.DynamicEntry.TAG.FLAGS_1)
    if flags is not None and flags.value & _DF_1_PIE:
        return ImageKind.PIE
    # Linkers before 2015 did not set DF_1_PIE; libc.so.6 has an interpreter too, but also a soname.
    return ImageKind.PIE if binary.has_interpreter and not _soname(binary) else ImageKind.SHARED


def _soname(binary: lief.ELF.Binary) -> str:
    import lief

    entry = binary.get(lief.ELF.DynamicEntry.TAG.SONAME)
    return text(entry.name) if isinstance(entry, lief.ELF.DynamicSharedObject) else ""


def _build_id(binary: lief.ELF.Binary) -> str:
    import lief

    note = binary.get(lief.ELF.Note.TYPE.GNU_BUILD_ID)
    return bytes(note.description).hex() if note is not None else ""


def _relro(binary: lief.ELF.Binary) -> tuple[tuple[int, int], ...]:
    """The loader protects whole pages only, so the end is rounded down as in glibc's ``_dl_protect_relro``."""
    import lief

    relro = lief.ELF.Segment.TYPE.GNU_RELRO
    spans = [
        (s.virtual_address, (s.virtual_address + s.virtual_size) & ~0xFFF)
        for s in binary.segments
        if s.type == relro
    ]
    return tuple(span for span in spans if span[0] < span[1])


def _unwind_table(binary: lief.ELF.Binary) -> int:
    import lief

    kind = lief.ELF.Segment.TYPE.GNU_EH_FRAME
    return next((s.virtual_address for s in binary.segments if s.type == kind), 0)


def _sections(binary: lief.ELF.Binary) -> tuple[Section, ...]:
    return tuple(
        Section(text(s.name), s.virtual_address, s.size)
        for s in binary.sections
        if int(s.flags) & _SHF_ALLOC and not int(s.flags) & _SHF_TLS and s.size
    )
