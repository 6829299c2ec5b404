"""Function bounds: from symbols where there are any, and from ``.eh_frame`` where they were stripped."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from burnish.core.image import Access, FunctionBounds, Image
from burnish.images.eh_frame import FrameRange, frame_ranges, section_from_header
from burnish.images.symbols import Binding, FunctionSymbol

_COLD = re.compile(r"\.cold(\.\d+)?$")
"""gcc's and clang's names for the parts that they move out of line."""

_FRAME_SECTION = ".eh_frame"


def name_of(address: int) -> str:
    """The name of a function that has none."""
    return f"fn_{address:x}"


def function_bounds(image: Image, symbols: Sequence[FunctionSymbol]) -> tuple[FunctionBounds, ...]:
    """All functions that symbols, ``.eh_frame`` and the entry point name, by address and without overlap.

    A symbol's own size wins over the frame description's; without either a function ends where the next begins.
    A function that another symbol splits ends there. PLT stubs are no functions.
    """
    frames = {f.start: f for f in _frames(image) if not _is_plt(image, f)}
    by_address: dict[int, list[FunctionSymbol]] = defaultdict(list)
    for symbol in symbols:
        if image.is_code(symbol.address) and symbol.address not in image.plt:
            by_address[symbol.address].append(symbol)
    _drop_inner_labels(by_address)
    named = {a: _from_symbols(a, group, frames.get(a)) for a, group in by_address.items()}
    covered = sorted((b.address, b.end) for b in named.values() if b.size)
    starts = [start for start, _ in covered]
    for frame in frames.values():
        index = bisect_right(starts, frame.start) - 1
        inside = index >= 0 and frame.start < covered[index][1]
        if frame.start not in named and not inside and image.is_code(frame.start):
            named[frame.start] = FunctionBounds(
                "_start" if frame.start == image.entry else name_of(frame.start),
                frame.start,
                frame.size,
                "eh_frame",
                has_handler=frame.has_handler,
                is_part=frame.mid_frame,
            )
    found = without_overlap(image, named.values())
    if image.is_code(image.entry) and image.entry and not _covers(found, image.entry):
        entry = FunctionBounds("_start", image.entry, 0, "entry")
        found = without_overlap(image, [*found, entry])
    return found


def _frames(image: Image) -> tuple[FrameRange, ...]:
    found: list[FrameRange] = []
    for section in image.sections:
        if section.name == _FRAME_SECTION:
            records = image.read(section.address, section.size)
            found.extend(frame_ranges(records or b"", section.address))
    if found or image.sections:
        return tuple(found)
    return _frames_without_sections(image)


def _frames_without_sections(image: Image) -> tuple[FrameRange, ...]:
    """The same where the section table was stripped: ``PT_GNU_EH_FRAME`` points at the search table."""
    if not image.unwind_table:
        return ()
    header = image.read(image.unwind_table, 16)
    address = None if header is None else section_from_header(header, image.unwind_table)
    segment = None if address is None else image.segment_at(address)
    if address is None or segment is None:
        return ()
    return frame_ranges(segment.data[address - segment.address :], address)


def _is_plt(image: Image, frame: FrameRange) -> bool:
    """One frame description stands for all stubs of a PLT section."""
    for section in image.sections:
        if section.address <= frame.start < section.end:
            return section.name.startswith((".plt", ".iplt"))
    return any(frame.start <= stub < frame.start + frame.size for stub in image.plt)


def _drop_inner_labels(by_address: dict[int, list[FunctionSymbol]]) -> None:
    """Removes bare labels inside a function of known size: they are places in it, not functions."""
    sized = sorted((s.address, s.address + s.size) for group in by_address.values() for s in group if s.size)
    starts = [start for start, _ in sized]
    for address in [a for a, group in by_address.items() if not any(s.typed for s in group)]:
        index = bisect_right(starts, address) - 1
        if index >= 0 and sized[index][0] < address < sized[index][1]:
            del by_address[address]


def _from_symbols(address: int, group: list[FunctionSymbol], frame: FrameRange | None) -> FunctionBounds:
    order = sorted(group, key=lambda s: (not s.exported, s.binding, s.name.startswith("_"), s.name))
    names = list(dict.fromkeys(s.name.partition("@")[0] for s in order))
    size = max(s.size for s in group)
    if not size and frame is not None:
        size = frame.size
    return FunctionBounds(
        names[0],
        address,
        size,
        "symbol",
        exported=any(s.exported for s in group),
        weak=any(s.binding is Binding.WEAK for s in group),
        has_handler=frame is not None and frame.has_handler,
        aliases=tuple(names[1:]),
        is_part=_COLD.search(names[0]) is not None,
    )


def without_overlap(image: Image, bounds: Iterable[FunctionBounds]) -> tuple[FunctionBounds, ...]:
    """Sorted; each function ends at the latest where the next, or its section, does."""
    ordered = sorted(bounds, key=lambda b: b.address)
    found: list[FunctionBounds] = []
    for i, one in enumerate(ordered):
        limit = _code_end(image, one.address)
        if i + 1 < len(ordered):
            limit = min(limit, ordered[i + 1].address)
        end = min(one.end, limit) if one.size else limit
        if end != one.end:
            one = replace(one, size=end - one.address)
        if one.size > 0:
            found.append(one)
    return tuple(found)


def _code_end(image: Image, address: int) -> int:
    for section in image.sections:
        if section.address <= address < section.end:
            return section.end
    segment = image.segment_at(address)
    return segment.end if segment is not None and Access.EXECUTE in segment.access else address


def _covers(bounds: Sequence[FunctionBounds], address: int) -> bool:
    index = bisect_right(bounds, address, key=lambda b: b.address) - 1
    return index >= 0 and address < bounds[index].end
