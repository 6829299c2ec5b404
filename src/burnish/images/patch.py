"""Writes a patched copy of an ELF file: rebuilt functions in a new segment, and jumps to them at the old
entries.

Only three things in the original bytes change: the ELF header's pointers to its tables, the first bytes of
each replaced function and, where asked for, the library search path. All else is appended, so
``images.note.revert`` can give the original back from the copy. What is appended, in file order::

    a hole, where the file's zero-initialised data is larger than what follows its bytes
    new segment (read and execute):
        program headers    room for the new segment and its note; the old table has none
        code               as ``images.link`` lays it out: code, constants, unwind records
        .eh_frame_hdr      the search table, with the new unwind records merged in
        .dynstr            a longer copy, where the search path changes
        .note.burnish      what was done, and how to undo it
    symbols, names and section headers (not loaded)

The new segment lies at the same distance from its file offset as the first one. Kernels before 5.18 tell a
program where its program headers are as load address plus ``e_phoff``, whatever PT_PHDR says; so both must
agree. GNU strip moves a table that does not follow the ELF header, and so breaks the copy (as it does what
patchelf writes): strip before, not after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from burnish.core.code import Reason, Refused
from burnish.core.deployment import LinkedCode, PatchedFunction, PatchedImage, Replacement
from burnish.core.errors import LinkError, PatchError
from burnish.images.elf_layout import (
    PF_R,
    PF_X,
    PT_GNU_EH_FRAME,
    PT_LOAD,
    PT_NOTE,
    PT_PHDR,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHT_NOTE,
    SHT_PROGBITS,
    ElfLayout,
    ProgramHeader,
    pack_note,
    read_layout,
)
from burnish.images.link import Layout, image_resolver
from burnish.images.note import NOTE_KIND, NOTE_OWNER, Edit, note_content
from burnish.images.output_file import dropped_privileges, output_file
from burnish.images.search_path import DynamicChange, SearchPath, dynamic_change, entry_offset
from burnish.images.section_tail import NewSection, section_tail
from burnish.images.unwind import debug_frame, merged_search_table, search_table

_PAGE = 4096
_LARGEST_HOLE = 1 << 30
_ENDBR64 = bytes.fromhex("f30f1efa")
_JUMP_SIZE = 5
_MOST_ADDED_SEGMENTS = 3


def patch_image(
    path: Path,
    output: Path,
    replacements: Sequence[Replacement] = (),
    note: Mapping[str, object] | None = None,
    search_path: SearchPath | None = None,
) -> PatchedImage:
    """Writes a copy of ``path`` at ``output`` that runs the code of ``replacements``.

    ``note`` is kept in the copy, as JSON, beside what Burnish records itself. Functions that have no room for
    a jump, and code that cannot be linked, are left as they are and come back in ``PatchedImage.refused``.
    ``path`` is never written to; ``output`` appears whole or not at all. Permissions: see
    ``images.output_file``.

    Raises ``ImageError`` if ``path`` is not a complete x86-64 executable or library, ``HostError`` if
    ``output`` cannot be written, and ``PatchError`` if the file leaves no room for what is to be done.
    """
    layout = read_layout(path)
    plan = _plan(layout, path, replacements, search_path)
    functions = tuple(_patched(plan.linked, r) for r in plan.replacements)
    new = _assemble(layout, plan, path, functions, note or {})
    warnings = list(dropped_privileges(path))
    if plan.linked.frames and not new.unwinds:
        warnings.append(f"{path} has no search table for unwinding, so debuggers cannot unwind the new code.")
    with output_file(output, path) as file:
        file.write(layout.data)
        for edit in new.edits:
            file.seek(edit.offset)
            file.write(edit.data)
        file.truncate(new.offset)
        file.seek(new.offset)
        file.write(new.data)
    grown = new.offset + len(new.data) - len(layout.data)
    return PatchedImage(output, path, functions, plan.refused, tuple(warnings), grown)


def unpatchable(path: Path, replacements: Sequence[Replacement]) -> tuple[Refused, ...]:
    """Those of ``replacements`` that ``patch_image`` would leave out, and why. Raises what it raises."""
    return _plan(read_layout(path), path, replacements, None).refused


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is decided before anything is laid out behind the code. ``address`` is that of the new segment."""

    address: int
    offset: int
    replacements: tuple[Replacement, ...]
    refused: tuple[Refused, ...]
    linked: LinkedCode
    entries: tuple[Edit, ...]
    change: DynamicChange | None


@dataclass(frozen=True, slots=True)
class _New:
    """The bytes for the end of the file, and the changes before it."""

    offset: int
    data: bytes = field(repr=False)
    edits: tuple[Edit, ...]
    unwinds: bool


def _plan(
    layout: ElfLayout, path: Path, replacements: Sequence[Replacement], search_path: SearchPath | None
) -> _Plan:
    end = max(segment.vaddr + segment.memsz for segment in layout.loads)
    address = _round_up(max(end, len(layout.data) + layout.delta), _PAGE)
    offset = address - layout.delta
    if offset - len(layout.data) > _LARGEST_HOLE:
        raise PatchError(f"{path} has more than a gigabyte of zero-initialised data; it cannot be patched.")
    change = None
    if search_path is not None:
        change = dynamic_change(layout, search_path)
        if change is None:
            raise PatchError(f"{path} has no room for another folder in its library search path.")
    code = address + (len(layout.segments) + _MOST_ADDED_SEGMENTS) * ProgramHeader.SIZE
    kept, refused = _with_room(layout, replacements)
    linked, refused = _link(layout, kept, refused, code)
    placed = {function.original for function in linked.functions}
    kept = [r for r in kept if r.code.address in placed]
    entries = tuple(_entry(layout, r, linked.entry(r.code.address)) for r in kept)
    return _Plan(address, offset, tuple(kept), tuple(refused), linked, entries, change)


def _with_room(
    layout: ElfLayout, replacements: Sequence[Replacement]
) -> tuple[list[Replacement], list[Refused]]:
    """Those replacements whose function can take a jump at its entry, and why the others cannot."""
    kept: list[Replacement] = []
    refused: list[Refused] = []
    taken: set[int] = set()
    for replacement in replacements:
        address = replacement.code.address
        start, end = jump_range(layout, address)
        if layout.file_offset(address, end - address, PF_X) is None:
            refused.append(Refused(Reason.EMPTY, address, "not in an executable segment of the file"))
        elif end > address + replacement.size:
            refused.append(Refused(Reason.TOO_SMALL, address, f"{replacement.size} bytes"))
        elif any(start < target < end for target in replacement.jump_targets):
            refused.append(Refused(Reason.TOO_SMALL, address, "a jump leads into its first bytes"))
        elif not taken.isdisjoint(range(address, end)):
            refused.append(Refused(Reason.TOO_SMALL, address, "it overlaps another replaced function"))
        else:
            taken.update(range(address, end))
            kept.append(replacement)
    return kept, refused


def jump_range(layout: ElfLayout, address: int) -> tuple[int, int]:
    """Where the jump at the entry of the function at image address ``address`` begins and ends: an ``endbr64`` stays,
    as indirect calls need it."""
    offset = layout.file_offset(address, len(_ENDBR64))
    marked = offset is not None and layout.data[offset : offset + len(_ENDBR64)] == _ENDBR64
    start = address + len(_ENDBR64) if marked else address
    return start, start + _JUMP_SIZE


def _entry(layout: ElfLayout, replacement: Replacement, target: int) -> Edit:
    start, end = jump_range(layout, replacement.code.address)
    offset = layout.file_offset(start, _JUMP_SIZE)
    assert offset is not None
    distance = target - end
    if not -(1 << 31) <= distance < 1 << 31:
        raise PatchError(f"{replacement.name} is more than two gigabytes away from where new code can lie.")
    return Edit(offset, b"\xe9" + distance.to_bytes(4, "little", signed=True))


def _link(
    layout: ElfLayout, kept: Sequence[Replacement], refused: list[Refused], address: int
) -> tuple[LinkedCode, list[Refused]]:
    """Links what can be linked, at or after ``address``. Each round drops the function that the linker names,
    so there is an end."""
    codes = [replacement.code for replacement in kept]
    refused = list(refused)
    while True:
        try:
            objects = Layout.of(codes)
            start = _round_up(address, objects.alignment)
            linked = objects.place(start, image_resolver(), relocated=layout.is_relocated)
        except LinkError as error:
            if error.address is None:
                raise
            refused.append(Refused(Reason.CODE_GENERATION, error.address, str(error)))
            codes = [code for code in codes if code.address != error.address]
            continue
        return linked, refused


def _patched(linked: LinkedCode, replacement: Replacement) -> PatchedFunction:
    address = replacement.code.address
    function = next(f for f in linked.functions if f.original == address)
    return PatchedFunction(
        replacement.name,
        address,
        replacement.size,
        function.address,
        function.size,
        replacement.strategy,
        replacement.verdict,
    )


def _assemble(
    layout: ElfLayout,
    plan: _Plan,
    path: Path,
    functions: Sequence[PatchedFunction],
    extra: Mapping[str, object],
) -> _New:
    """Lays out everything that is appended. The note comes last in the segment, since it names what is
    before."""
    body = bytearray(plan.linked.address - plan.address)

    def append(content: bytes, alignment: int) -> int:
        body.extend(bytes(-len(body) % alignment))
        body.extend(content)
        return plan.address + len(body) - len(content)

    edits = list(plan.entries)
    moved: dict[str, tuple[int, int, int]] = {}
    if plan.linked.functions:
        append(plan.linked.data, 1)
    table = _search_table(layout, plan, plan.address + _round_up(len(body), 8))
    if table is not None:
        at = append(table, 8)
        moved[".eh_frame_hdr"] = (at, at - layout.delta, len(table))
    if plan.change is not None:
        at = append(plan.change.strings, 8)
        moved[".dynstr"] = (at, at - layout.delta, len(plan.change.strings))
        edits.extend(Edit(entry_offset(layout, index), data) for index, data in plan.change.entries(at))
    # The header's edit is made last, but undone as well: its original bytes are those of the whole header.
    header_size = len(layout.header.pack())
    undo = [edit.undo(layout.data) for edit in (*edits, Edit(0, bytes(header_size)))]
    content = pack_note(NOTE_OWNER, NOTE_KIND, note_content(layout.data, path, functions, undo, extra))
    note = append(content, 8)
    segments = _segments(layout, plan, len(body), note, len(content), moved.get(".eh_frame_hdr"))
    table_bytes = b"".join(segment.pack() for segment in segments)
    body[: len(table_bytes)] = table_bytes
    code = plan.linked
    frames = debug_frame(code.data[code.frames_offset :], code.address + code.frames_offset)
    added = [NewSection(".note.burnish", SHT_NOTE, SHF_ALLOC, note, note - layout.delta, len(content), 4)]
    if code.functions:
        place = (code.address, code.address - layout.delta, len(code.data))
        added.insert(0, NewSection(".burnish.text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, *place, 64))
    tail = section_tail(layout, plan.offset + len(body), added, moved, functions, frames)
    header = replace(layout.header, phoff=plan.offset, phnum=len(segments))
    if tail is not None:
        body += tail.data
        header = replace(header, shoff=tail.shoff, shnum=tail.shnum)
    edits.append(Edit(0, header.pack()))
    return _New(plan.offset, bytes(body), tuple(edits), table is not None)


def _search_table(layout: ElfLayout, plan: _Plan, address: int) -> bytes | None:
    segment = layout.segment(PT_GNU_EH_FRAME)
    if not plan.linked.frames:
        return None
    if segment is None:
        # A static executable hands its .eh_frame to the unwinder at start; this finds only what is not in it.
        records = plan.linked.address + plan.linked.frames_offset
        return search_table(records, address, plan.linked.frames)
    old = layout.data[segment.offset : segment.offset + segment.filesz]
    return merged_search_table(old, segment.vaddr, address, plan.linked.frames)


def _segments(
    layout: ElfLayout,
    plan: _Plan,
    size: int,
    note: int,
    note_size: int,
    search_table: tuple[int, int, int] | None,
) -> list[ProgramHeader]:
    """The new program headers. Loaded segments must ascend by address: the new one follows the last of
    them."""
    found: list[ProgramHeader] = []
    last = max(i for i, segment in enumerate(layout.segments) if segment.type == PT_LOAD)
    for index, segment in enumerate(layout.segments):
        match segment.type:
            case kind if kind == PT_GNU_EH_FRAME and search_table is not None:
                found.append(_moved(segment, search_table[0], layout.delta, search_table[2]))
            case _:
                found.append(segment)
        if index == last:
            whole = ProgramHeader(PT_LOAD, PF_R | PF_X, 0, 0, 0, 0, 0, _PAGE)
            found.append(_moved(whole, plan.address, layout.delta, size))
    described = ProgramHeader(PT_NOTE, PF_R, 0, 0, 0, 0, 0, 4)
    found.append(_moved(described, note, layout.delta, note_size))
    if search_table is not None and layout.segment(PT_GNU_EH_FRAME) is None:
        searched = ProgramHeader(PT_GNU_EH_FRAME, PF_R, 0, 0, 0, 0, 0, 4)
        found.append(_moved(searched, search_table[0], layout.delta, search_table[2]))
    whole_table = len(found) * ProgramHeader.SIZE
    return [_moved(s, plan.address, layout.delta, whole_table) if s.type == PT_PHDR else s for s in found]


def _moved(segment: ProgramHeader, address: int, delta: int, size: int) -> ProgramHeader:
    offset = address - delta
    return replace(segment, offset=offset, vaddr=address, paddr=address, filesz=size, memsz=size)


def _round_up(value: int, unit: int) -> int:
    return value + -value % unit
