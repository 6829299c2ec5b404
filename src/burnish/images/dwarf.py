"""Source lines of machine code, from DWARF line tables (DWARF 5, section 6.2), through pyelftools."""

# pyelftools has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.core.image import Image, ImageKind, SourceLine
from burnish.images.file_check import read_elf

_DEBUG_ROOT = Path("/usr/lib/debug")


@dataclass(frozen=True, slots=True)
class SourceLines:
    """Which line each address comes from. ``starts`` ascend; each entry of ``lines`` holds up to the next start, and
    is None where no line is known."""

    starts: tuple[int, ...] = field(repr=False)
    lines: tuple[SourceLine | None, ...] = field(repr=False)

    def at(self, address: int) -> SourceLine | None:
        """The line that the instruction at ``address`` comes from, or None."""
        index = bisect_right(self.starts, address) - 1
        return self.lines[index] if index >= 0 else None

    def __len__(self) -> int:
        return len(self.starts)


def source_lines(image: Image) -> SourceLines:
    """The line table of ``image``'s file, or of its separate debug file where one is installed by build ID.

    Empty where there is none, where it is damaged, and for objects with several code sections, whose line tables
    do not tell them apart.
    """
    offset = _offset(image)
    if offset is None:
        return SourceLines((), ())
    for path in (image.path, _separate(image.build_id)):
        if path is None or not path.is_file():
            continue
        rows = _rows(path)
        if rows:
            ordered = sorted(rows.items())
            return SourceLines(tuple(a + offset for a, _ in ordered), tuple(line for _, line in ordered))
    return SourceLines((), ())


def _offset(image: Image) -> int | None:
    """What to add to an address in the line table."""
    if image.kind is not ImageKind.OBJECT:
        return 0
    code = [s for s in image.sections if image.is_code(s.address) and s.name != ".plt"]
    return code[0].address if len(code) == 1 else None


def _separate(build_id: str) -> Path | None:
    return _DEBUG_ROOT / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug" if build_id else None


def _rows(path: Path) -> dict[int, SourceLine | None]:
    """Each address at which a row begins. At one address the last row counts, as for debuggers; the end of a sequence
    does not hide a row that begins there."""
    import io

    from elftools.elf.elffile import ELFFile

    found: dict[int, SourceLine | None] = {}
    try:
        elf: Any = ELFFile(io.BytesIO(read_elf(path)))
        if not elf.has_dwarf_info():
            return found
        # Linked files may keep relocations that are applied already (``ld --emit-relocs``).
        is_object = elf.header["e_type"] == "ET_REL"
        info: Any = elf.get_dwarf_info(relocate_dwarf_sections=is_object, follow_links=False)
        if info.debug_line_sec is None:
            return found
        for unit in info.iter_CUs():
            _read_unit(info, unit, found)
    except (
        Exception
    ):  # pyelftools raises anything at all for damaged tables; what was read so far may be wrong
        return {}
    return found


def _read_unit(info: Any, unit: Any, found: dict[int, SourceLine | None]) -> None:
    program: Any = info.line_program_for_CU(unit)
    if program is None:
        return
    names: dict[int, str] = {}
    compiled_in = _text(unit.get_top_DIE().attributes.get("DW_AT_comp_dir"))
    ended: list[int] = []
    for entry in program.get_entries():
        state: Any = entry.state
        if state is None:
            continue
        if state.end_sequence:
            ended.append(state.address)
            continue
        if state.file not in names:
            names[state.file] = _file_name(program, state.file, compiled_in)
        found[state.address] = SourceLine(names[state.file], state.line) if state.line else None
    for address in ended:
        found.setdefault(address, None)


def _file_name(program: Any, number: int, compiled_in: str) -> str:
    """The path of a file of the line table: version 5 counts files from 0 and puts the compilation directory first,
    earlier ones count from 1 and leave it out."""
    header = program.header
    first = 0 if header.version >= 5 else 1
    files, folders = header.file_entry, header.include_directory
    if not 0 <= number - first < len(files):
        return ""
    entry = files[number - first]
    folder_number = entry.dir_index
    if header.version >= 5:
        folder = _decoded(folders[folder_number]) if folder_number < len(folders) else ""
    else:
        folder = _decoded(folders[folder_number - 1]) if 0 < folder_number <= len(folders) else ""
    return os.path.normpath(Path(compiled_in, folder, _decoded(entry.name)))


def _text(attribute: Any) -> str:
    return "" if attribute is None else _decoded(attribute.value)


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
