"""What blocks leave for others in registers, flags and places of the frame: reaching definitions, by bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from burnish.analyze.loop_memory import CodeOf
from burnish.core.code import Label
from burnish.core.superblocks import Left
from burnish.recompile.bits import ALL, cells_in, cells_mask
from burnish.recompile.provenance import FrameAddress

_FRAME = ALL.bit_length()
"""The bit of the frame's first byte."""
_Reaching = dict[Label, int]
"""By the block that wrote them, bytes that hold what it left."""


def left_for_others(
    code: CodeOf, loops: Mapping[int, tuple[Label, frozenset[Label]]], function: int
) -> dict[int, tuple[Left, ...]]:
    """By region, what its blocks leave for each other in one round, as far as no loop inside has both, and for the next
    round. ``loops`` are header and blocks of the function's loops, ``function`` is the number of its own region."""
    effects = _effects(code)
    numbers = {label: number for number, label in code.labels.items()}
    read = 0
    for exposed, _ in effects.values():
        read |= exposed
    effects = {label: (exposed, written & read) for label, (exposed, written) in effects.items()}
    found: dict[int, tuple[Left, ...]] = {}
    regions = {function: (None, frozenset(effects)), **loops}
    for region, (header, blocks) in regions.items():
        inner = [body for _, body in loops.values() if body < blocks]
        within = _reaching(code, effects, blocks, header, {})
        rows = {
            (place, source, label, False)
            for place, source, label in _pairs(code, effects, blocks, within)
            if not any(source in body and label in body for body in inner)
        }
        if header is not None:
            start = _joined(
                _after(within[label], label, effects)
                for label in blocks
                if header in code.values.following[label]
            )
            again = _reaching(code, effects, blocks, header, start, own=False)
            rows |= {(*pair, True) for pair in _pairs(code, effects, blocks, again)}
        found[region] = tuple(
            Left(place, numbers[source], numbers[label], carried)
            for place, source, label, carried in sorted(rows)
            if source in numbers and label in numbers
        )
    return found


def _effects(code: CodeOf) -> dict[Label, tuple[int, int]]:
    """Of each block the bytes that it reads before it writes them, and those that it writes."""
    found: dict[Label, tuple[int, int]] = {}
    registers = code.registers.blocks()
    for label in code.values.following:
        read, written = registers[label]
        facts = code.plan.layout.facts.get(label, {})
        # What holds a fixed place in the frame is no more than the stack pointer.
        read &= ~cells_mask(name for name, shape in facts.items() if isinstance(shape, FrameAddress))
        for start, size, store in code.values.places.get(label, ()):
            mask = (1 << size) - 1 << _FRAME + start
            if store:
                written |= mask
            else:
                read |= mask & ~written
        found[label] = read, written
    return found


def _reaching(
    code: CodeOf,
    effects: Mapping[Label, tuple[int, int]],
    blocks: frozenset[Label],
    header: Label | None,
    start: _Reaching,
    *,
    own: bool = True,
) -> dict[Label, _Reaching]:
    """What reaches the start of each of ``blocks`` without a way back to the header, where ``start`` reaches that;
    without ``own``, nothing else does."""
    found: dict[Label, _Reaching] = {label: {} for label in blocks}
    work = dict.fromkeys(label for label in code.values.following if label in blocks)
    if header is not None:
        found[header] = dict(start)
    while work:
        label = next(iter(work))
        del work[label]
        after = _after(found[label], label, effects, own=own)
        for target in code.values.following[label]:
            if target not in blocks or target == header:
                continue
            there = found[target]
            changed = False
            for source, mask in after.items():
                before = there.get(source, 0)
                if mask & ~before:
                    there[source] = before | mask
                    changed = True
            if changed:
                work[target] = None
    return found


def _after(
    before: _Reaching, label: Label, effects: Mapping[Label, tuple[int, int]], *, own: bool = True
) -> _Reaching:
    written = effects[label][1]
    found = {source: left for source, mask in before.items() if (left := mask & ~written)}
    if own and written:
        found[label] = written
    return found


def _joined(states: Iterable[_Reaching]) -> _Reaching:
    found: _Reaching = defaultdict(int)
    for state in states:
        for source, mask in state.items():
            found[source] |= mask
    return dict(found)


def _pairs(
    code: CodeOf,
    effects: Mapping[Label, tuple[int, int]],
    blocks: frozenset[Label],
    reaching: Mapping[Label, _Reaching],
) -> Iterator[tuple[str, Label, Label]]:
    for label in blocks:
        read = effects[label][0]
        for source, mask in reaching[label].items():
            if mask & read:
                for place in _names(mask & read, code):
                    yield place, source, label


def _names(mask: int, code: CodeOf) -> list[str]:
    """Registers, and places in the frame by where an access to them begins."""
    names = [cell.name for cell, _ in cells_in(mask & ALL)]
    frame = mask >> _FRAME
    starts = sorted({start for rows in code.values.places.values() for start, _, _ in rows}) if frame else []
    for start, end in pairwise([*starts, frame.bit_length()]):
        if end > start and frame >> start & (1 << end - start) - 1:
            names.append(f"stack{code.values.low + start:+#x}")
    return names
