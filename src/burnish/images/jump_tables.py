"""Jump tables, recognised by what the code computes and not by how it is spelled.

The target of an indirect jump is a term over registers and memory. If everything in it is constant but one index,
if that index is bounded on every path, and if memory is only read where nothing writes, then the targets are what
the term gives for each value of the index. That covers the tables of gcc and clang, absolute and relative, with the
index in a register or on the stack, and computed ``goto``.

Bounds come from comparisons on the way, or from the width of the index (a byte, a masked value). Where there is no
bound, or an entry is no code of the function, nothing is guessed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from burnish.core.code import Block, Label
from burnish.core.image import Image
from burnish.core.pcode import OpCode
from burnish.images.intervals import Fact, Interval, hull, interval
from burnish.images.reaching import Reaching
from burnish.images.slices import HEAVY, Slices
from burnish.images.terms import (
    Apply,
    Const,
    Input,
    Memory,
    Sum,
    Term,
    Unknown,
    children,
    is_open,
    leaves,
    mask,
    signed,
    weight,
)

_MAX_ENTRIES = 1 << 14


class _Search(NamedTuple):
    """How far to look back for a bound: over how many blocks, at how many places in all, and whether for conditions
    on what the index reads only."""

    distance: int
    places: int
    related: bool


_SEARCHES = (_Search(2, 24, True), _Search(8, 80, True), _Search(8, 80, False))
"""Near comparisons first: where there is none, the width of the index may do, and an interpreter with hundreds of
jumps, each reached from all the others, is not searched for each of them."""

_MAX_FACTS = 6
"""Conditions that are kept on that way: those of the last blocks looked at."""


@dataclass(frozen=True, slots=True)
class Table:
    """``entries`` has the target for each value of ``index``, a term over what held where the block began that the
    jump was looked at from; a constant where the target is constant."""

    index: Term
    entries: tuple[tuple[int, int], ...]


class _State(NamedTuple):
    """What may ``term`` be where the block ``label`` begins, if ``facts`` hold?"""

    label: Label
    term: Term
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Finds the tables of one function, for control flow as known so far."""

    image: Image
    slices: Slices
    reaching: Reaching
    holds: Callable[[int], bool]
    """Whether an address may be the target of a jump inside the function."""

    def table(self, block: Block, target: Term) -> Table | None:
        """The table that ``target``, over what held where ``block`` began, reads; None if it is none."""
        target = self.reaching.resolved(target, block.label)
        nothing = Const(0, 1)
        if _closed(target, nothing):  # as far as is known, one path leads here
            place = evaluate(self.image, target, nothing, 0)
            return Table(nothing, ((0, place),)) if place is not None and self.holds(place) else None
        for index in _candidates(target):
            if not _closed(target, index):
                continue
            for search in _SEARCHES:
                bounds = self._bounds(block.label, index, search)
                entries = () if bounds is None else self._entries(target, index, bounds)
                if entries:
                    return Table(index, entries)
        return None

    def first_entries(self, block: Block, target: Term) -> list[int]:
        """What the first elements of a possible table are, bounded or not."""
        target = self.reaching.resolved(target, block.label)
        found: list[int] = []
        for index in _candidates(target):
            if _closed(target, index):
                values = (evaluate(self.image, target, index, i) for i in range(4))
                found.extend(value for value in values if value is not None)
        return found

    def _entries(self, target: Term, index: Term, bounds: Interval) -> tuple[tuple[int, int], ...]:
        """All entries, if each is code of the function. A table of pointers whose index is bounded by its width only
        may be shorter than that: it ends where the pointers to the function's code do."""
        found: list[tuple[int, int]] = []
        ended = False
        for value in range(bounds.low, bounds.high + 1):
            place = evaluate(self.image, target, index, value)
            valid = place is not None and self.holds(place)
            if valid and ended:
                return ()
            if valid and place is not None:
                found.append((value, place))
            elif bounds.compared or not isinstance(target, Memory) or not found:
                return ()
            else:
                ended = True
        return tuple(found)

    def _bounds(self, label: Label, index: Term, search: _Search) -> Interval | None:
        """An interval that holds ``index`` on every path to ``label``; None if there is none of use.

        Looks backwards. Each path ends at the first comparison that bounds the index, or where nothing more can be
        learnt, or where the search has gone far enough; there the index's width decides. Looking for related
        conditions only misses an index that was copied before it was compared, but comes to an end in a loop that
        leaves the index alone.
        """
        result: Interval | None = None
        seen: set[_State] = set()
        waiting = deque([(_State(label, index, ()), 0)])
        while waiting:
            state, depth = waiting.popleft()
            if state in seen:
                continue
            seen.add(state)
            found = interval(state.term, state.facts)
            if not found.is_deliberate or found.size > _MAX_ENTRIES:
                further = depth < search.distance and len(seen) < search.places
                earlier = self._earlier(state, search.related) if further else []
                if earlier:
                    waiting.extend((step, depth + 1) for step in earlier)
                    continue
            if found.size > _MAX_ENTRIES:
                return None
            result = found if result is None else hull(result, found)
        return result if result is not None and result.size <= _MAX_ENTRIES else None

    def _earlier(self, state: _State, related: bool) -> list[_State]:
        """The same question one block earlier, for each way there; nothing where there is no use in it."""
        slices, term = self.slices, state.term
        if state.label == slices.entry or not is_open(term) or weight(term) > HEAVY:
            return []
        found: list[_State] = []
        for block in slices.predecessors[state.label]:
            earlier = slices.before(term, block)
            facts = [Fact(slices.before(f.condition, block), f.holds) for f in state.facts]
            new = slices.fact(block, state.label)
            if new is not None:
                facts.append(new)
            if related:
                own = leaves(earlier)
                facts = [f for f in facts if not own.isdisjoint(leaves(f.condition))]
            useful = [f for f in dict.fromkeys(facts) if weight(f.condition) <= HEAVY]
            found.append(_State(block.label, earlier, tuple(useful[-_MAX_FACTS:])))
        return found


def _candidates(target: Term) -> Iterator[Term]:
    """The terms that may be the index, the most likely first: what is added to a table's address, before what it is
    made of."""
    match target:
        case Memory(address):
            yield from _indices(address)
        case Sum() | Apply():
            for child in children(target):
                yield from _candidates(child)
        case Const() | Input() | Unknown():
            return


def _indices(term: Term) -> Iterator[Term]:
    match term:
        case Const():
            return
        case Sum(parts=parts):
            for part, _ in sorted(parts, key=lambda p: (-abs(signed(p[1], 8)), repr(p[0]))):
                yield from _indices(part)
            factors = {factor for _, factor in parts}
            if len(parts) == 1 and factors == {1}:
                yield term
        case Memory(address):
            yield term
            yield from _indices(address)
        case Apply(OpCode.INT_ZEXT | OpCode.INT_SEXT | OpCode.SUBPIECE, operands):
            if not isinstance(operands[0], Sum) or _is_dense(operands[0]):
                yield term
            yield from _indices(operands[0])
        case Input() | Unknown() | Apply():
            yield term


def _is_dense(term: Sum) -> bool:
    """True if the sum is not a multiple of something."""
    return any(factor in (1, mask(term.size)) for _, factor in term.parts)


def _closed(target: Term, index: Term) -> bool:
    """True if ``index`` occurs in ``target`` and nothing else in it is unknown."""
    if target == index:
        return True
    match target:
        case Const():
            return True
        case Input() | Unknown():
            return False
        case Memory(address, _, _):
            return _closed(address, index)
        case Sum() | Apply():
            return all(_closed(child, index) for child in children(target))


def evaluate(image: Image, term: Term, index: Term, value: int) -> int | None:
    """``term`` for ``index = value``; None where it reads memory that is not constant or has an operation that no
    table address needs."""
    if term == index:
        return value
    match term:
        case Const(number):
            return number
        case Input() | Unknown():
            return None
        case Memory(address, size, _):
            place = evaluate(image, address, index, value)
            if place is None or not image.is_constant(place, size) or place in image.got:
                return None
            content = image.read(place, size)
            return None if content is None else int.from_bytes(content, "little")
        case Sum(constant, parts, size):
            total = constant
            for part, factor in parts:
                inner = evaluate(image, part, index, value)
                if inner is None:
                    return None
                total += inner * factor
            return total & mask(size)
        case Apply(opcode, operands, size):
            inner = evaluate(image, operands[0], index, value)
            if inner is None:
                return None
            match opcode:
                case OpCode.INT_ZEXT:
                    return inner
                case OpCode.INT_SEXT:
                    return signed(inner, operands[0].size) & mask(size)
                case OpCode.SUBPIECE if operands[1] == Const(0, 4):
                    return inner & mask(size)
                case _:
                    return None
