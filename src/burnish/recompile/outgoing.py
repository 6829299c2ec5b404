"""Stack arguments of the calls that a function makes.

A callee that we can read says how many bytes of stack it reads. For one that we cannot, what the code did before the
call must tell. Too many bytes are harmless (they are copied for nothing), too few are not, so all that may be an
argument is passed: slots from the stack pointer upwards that were written lately and that nobody reads afterwards
(the callee owns its arguments) but by ``pop``, which is how gcc takes arguments off the stack, at once or some calls
later, into registers that nobody needs; and all above an object that was filled there as a whole, as compilers fill a
structure that they pass by value: with ``rep movs`` or a call of ``memcpy``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from burnish.core.code import Function, Label, successors
from burnish.core.pcode import Operation
from burnish.recompile.liveness import Summarise
from burnish.recompile.provenance import Event

Place = tuple[Label, int]
"""A call: its block and the index of its operation."""


@dataclass(frozen=True, slots=True)
class _Recent:
    """Frame slots written, and objects filled, that no call can have taken as its arguments yet."""

    writes: frozenset[int] = frozenset()
    fills: frozenset[int] = frozenset()

    def __or__(self, other: _Recent) -> _Recent:
        return _Recent(self.writes | other.writes, self.fills | other.fills)


def stack_arguments(
    function: Function,
    operations: Mapping[Label, Sequence[Operation]],
    events: Mapping[Label, Sequence[Event]],
    summarise: Summarise,
    escapes: frozenset[int],
) -> dict[Place, tuple[int, int]]:
    """Frame offset and extent in bytes of the stack arguments of each call that has, or may have, some. ``events``
    are those of each reachable block, ``escapes`` the frame offsets whose address is known elsewhere."""
    extents: dict[Place, tuple[int, int | None]] = {}
    for label, happened in events.items():
        for kind, offset, number in happened:
            if kind == "call":
                extents[label, number] = (offset, summarise(operations[label][number]).stack_bytes)
    known = {place: (stack, size) for place, (stack, size) in extents.items() if size}
    unknown = [place for place, (_, size) in extents.items() if size is None]
    if not unknown:
        return known
    following = {b.label: [s for s in successors(b.terminator) if s in events] for b in function.blocks}
    recent = _recent_at_start(events, following, extents)
    reads = _read_from_start(events, following)
    filled = frozenset(o for happened in events.values() for kind, o, _ in happened if kind == "fill")
    for label, index in unknown:
        stack = extents[label, index][0]
        position = list(events[label]).index(("call", stack, index))
        before = _after(events[label][:position], recent[label], label, extents)
        rest = events[label][position + 1 :]
        after = _reads_before(rest, _union(reads[s] for s in following[label]))
        end = _end(stack, before, after, escapes, filled)
        if end > stack:
            known[label, index] = (stack, end - stack)
    return known


def _end(
    stack: int, before: _Recent, after: frozenset[int], escapes: frozenset[int], filled: frozenset[int]
) -> int:
    """Where the arguments of a call end that may begin at ``stack``: no further than the next object. What is
    ``filled`` somewhere may be an object, or the arguments of another call."""
    limit = min((o for o in escapes - filled if stack < o < 0), default=0)
    if any(o >= stack and _joined(stack, o, before.writes) for o in before.fills):
        return limit
    return max((s + 8 for s in before.writes - after if stack <= s < limit), default=stack)


def _joined(stack: int, offset: int, writes: frozenset[int]) -> bool:
    """Whether the slots from ``stack`` to ``offset`` were written, but for the padding before an aligned one."""
    return all(s in writes or s + 8 in writes or s + 8 >= offset for s in range(stack, offset, 8))


def _recent_at_start(
    events: Mapping[Label, Sequence[Event]],
    following: Mapping[Label, Sequence[Label]],
    extents: Mapping[Place, tuple[int, int | None]],
) -> dict[Label, _Recent]:
    """What is recent on some path to the start of each block."""
    found = dict.fromkeys(events, _Recent())
    pending = list(events)
    while pending:
        label = pending.pop()
        out = _after(events[label], found[label], label, extents)
        for successor in following[label]:
            joined = found[successor] | out
            if joined != found[successor]:
                found[successor] = joined
                pending.append(successor)
    return found


def _after(
    events: Sequence[Event],
    start: _Recent,
    label: Label,
    extents: Mapping[Place, tuple[int, int | None]],
) -> _Recent:
    """What is recent after some events. A call of a function that we know takes the arguments that it has; any
    other may have taken all, unless it may itself be filling an argument of a call to come."""
    writes, fills = set(start.writes), set(start.fills)
    filling = {index for kind, _, index in events if kind == "fill"}
    for kind, offset, number in events:
        if kind == "write":
            writes |= slots(offset, number)
        elif kind == "fill":
            fills.add(offset)
        elif kind == "call" and number not in filling:
            taken = extents[label, number][1]
            if taken is None:
                writes.clear()
                fills.clear()
            else:
                writes -= slots(offset, taken)
    return _Recent(frozenset(writes), frozenset(fills))


def _read_from_start(
    events: Mapping[Label, Sequence[Event]], following: Mapping[Label, Sequence[Label]]
) -> dict[Label, frozenset[int]]:
    """Slots that some path from the start of each block reads before it writes them."""
    found: dict[Label, frozenset[int]] = dict.fromkeys(events, frozenset())
    changed = True
    while changed:
        changed = False
        for label in reversed(list(events)):
            live = _reads_before(events[label], _union(found[s] for s in following[label]))
            if live != found[label]:
                found[label], changed = live, True
    return found


def _reads_before(events: Sequence[Event], end: frozenset[int]) -> frozenset[int]:
    """Slots read by some events, or, unless they write them, after: ``end``. What is popped is not."""
    live = set(end)
    for kind, offset, size in reversed(events):
        if kind == "read":
            live |= slots(offset, size)
        elif kind == "write" and size >= 8:
            live -= slots(offset, size)
    return frozenset(live)


def _union(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset[int]().union(*sets)


def slots(offset: int, size: int) -> frozenset[int]:
    """The 8-byte slots that ``size`` bytes at a frame offset touch."""
    return frozenset(range(offset - offset % 8, offset + size, 8))
