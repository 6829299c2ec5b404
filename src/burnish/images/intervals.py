"""Bounds of a term, from its shape and from conditions known to hold or not to hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from burnish.core.pcode import OpCode
from burnish.images.terms import Apply, Const, Input, Memory, Sum, Term, Unknown, difference, mask, signed


class Interval(NamedTuple):
    """Unsigned and inclusive. ``compared`` says that a condition took part in it, ``masked`` that the term is cut to
    its size (a mask, a shift, a remainder): neither is true of a bound that is just the width."""

    low: int
    high: int
    compared: bool = False
    masked: bool = False

    @property
    def is_deliberate(self) -> bool:
        return self.compared or self.masked

    @property
    def size(self) -> int:
        return self.high - self.low + 1


class Fact(NamedTuple):
    """A boolean term and whether it is true."""

    condition: Term
    holds: bool


def interval(term: Term, facts: Sequence[Fact]) -> Interval:
    """All values that ``term`` may have lie in it. Contradictory facts (a path that is never taken) may give any."""
    found = _by_shape(term, facts)
    for sign in (False, True):
        if sign and found.high > mask(term.size) >> 1:
            break  # may be negative: a signed upper bound says nothing
        for fact in facts:
            bounds = _implied(term, fact.condition, fact.holds, sign)
            if bounds is None:
                continue
            low, high = max(found.low, bounds[0]), min(found.high, bounds[1])
            if low <= high and (low, high) != (found.low, found.high):
                found = Interval(low, high, True, found.masked)
    return found


def _by_shape(term: Term, facts: Sequence[Fact]) -> Interval:
    top = mask(term.size)
    match term:
        case Const(value):
            return Interval(value, value)
        case Input() | Unknown() | Memory():
            return Interval(0, top)
        case Sum():
            return _of_sum(term, facts)
        case Apply(OpCode.INT_ZEXT, (inner,)):
            return interval(inner, facts)
        case Apply(OpCode.INT_SEXT | OpCode.SUBPIECE, (inner, *rest)):
            found = interval(inner, facts)
            limit = mask(inner.size) >> 1 if term.opcode is OpCode.INT_SEXT else top
            plain = not rest or rest[0] == Const(0, 4)
            return found if plain and found.high <= limit else Interval(0, top)
        case Apply(OpCode.INT_AND, (left, right)):
            highs = [interval(left, facts), interval(right, facts)]
            best = min(highs, key=lambda i: i.high)
            return Interval(0, best.high, best.compared, masked=True)
        case Apply(OpCode.INT_RIGHT, (inner, Const(count))):
            found = interval(inner, facts)
            return Interval(found.low >> count, found.high >> count, found.compared, masked=True)
        case Apply(OpCode.INT_REM, (_, Const(divisor))) if divisor:
            return Interval(0, divisor - 1, masked=True)
        case Apply(OpCode.SELECT, (condition, left, right)):
            return hull(
                interval(left, (*facts, Fact(condition, True))),
                interval(right, (*facts, Fact(condition, False))),
            )
        case Apply():
            return Interval(0, 1) if term.opcode in _BOOLEAN else Interval(0, top)


_BOOLEAN = frozenset((
    OpCode.INT_EQUAL, OpCode.INT_NOTEQUAL, OpCode.INT_LESS, OpCode.INT_LESSEQUAL, OpCode.INT_SLESS,
    OpCode.INT_SLESSEQUAL, OpCode.BOOL_AND, OpCode.BOOL_OR, OpCode.BOOL_XOR, OpCode.BOOL_NEGATE,
    OpCode.INT_CARRY, OpCode.INT_SCARRY, OpCode.INT_SBORROW,
))  # fmt: skip


def _of_sum(term: Sum, facts: Sequence[Fact]) -> Interval:
    """Exact as long as nothing wraps around."""
    low = high = signed(term.constant, term.size)
    inner: list[Interval] = []
    for part, factor in term.parts:
        found, times = interval(part, facts), signed(factor, term.size)
        ends = (found.low * times, found.high * times)
        low, high = low + min(ends), high + max(ends)
        inner.append(found)
    if low >= 0 and high <= mask(term.size):
        return Interval(low, high, any(i.compared for i in inner), all(i.masked for i in inner))
    return Interval(0, mask(term.size))


def hull(left: Interval, right: Interval) -> Interval:
    """The least interval that holds both."""
    low, high = min(left.low, right.low), max(left.high, right.high)
    deliberate = left.is_deliberate and right.is_deliberate
    return Interval(low, high, left.compared and right.compared, deliberate)


Bounds = tuple[int, int] | None


def _implied(term: Term, condition: Term, holds: bool, positive: bool) -> Bounds:
    """Bounds of ``term``, which if ``positive`` is known not to be negative, if ``condition`` is as said; None if that
    says nothing of it."""
    match condition:
        case Apply(OpCode.BOOL_NEGATE, (inner,)):
            return _implied(term, inner, not holds, positive)
        case Apply(OpCode.BOOL_AND | OpCode.BOOL_OR as opcode, (left, right)):
            both = (_implied(term, left, holds, positive), _implied(term, right, holds, positive))
            # "a and b" holds: each does. It does not hold: one of them does not. And so, turned round, for "or".
            return _meet(*both) if holds == (opcode is OpCode.BOOL_AND) else _join(*both)
        case Apply(OpCode.INT_EQUAL | OpCode.INT_NOTEQUAL as opcode, (left, right)):
            if holds != (opcode is OpCode.INT_EQUAL):
                # Not zero: all that "not equal" ever says on the way to a table.
                zero = isinstance(right, Const) and right.value == 0
                return _solve(term, left, 1, mask(left.size)) if zero else None
            return _solve(term, left, *_point(right)) or _solve(term, right, *_point(left))
        case Apply(OpCode.INT_LESS, (left, right)):
            return _less(term, left, right) if holds else _less_equal(term, right, left)
        case Apply(OpCode.INT_LESSEQUAL, (left, right)):
            return _less_equal(term, left, right) if holds else _less(term, right, left)
        case Apply(OpCode.INT_SLESS, (left, right)):
            if not holds:
                left, right = right, left
            least = _signed_at_least(term, right, left, 1 if holds else 0)
            return least or (_signed_at_most(term, left, right, -1 if holds else 0) if positive else None)
        case _:
            return None


def _point(term: Term) -> tuple[int, int]:
    """The bounds of a constant; an empty interval for anything else."""
    return (term.value, term.value) if isinstance(term, Const) else (1, 0)


def _less(term: Term, left: Term, right: Term) -> Bounds:
    """``left < right``, one of them constant."""
    if isinstance(right, Const):
        return _solve(term, left, 0, right.value - 1)
    if isinstance(left, Const):
        return _solve(term, right, left.value + 1, mask(right.size))
    return None


def _less_equal(term: Term, left: Term, right: Term) -> Bounds:
    if isinstance(right, Const):
        return _solve(term, left, 0, right.value)
    if isinstance(left, Const):
        return _solve(term, right, left.value, mask(right.size))
    return None


def _signed_at_least(term: Term, left: Term, right: Term, more: int) -> Bounds:
    """``left >= right + more`` for signed numbers, where that makes ``left`` non-negative."""
    if not isinstance(right, Const):
        return None
    least = signed(right.value, right.size) + more
    return _solve(term, left, least, mask(left.size) >> 1) if least >= 0 else None


def _signed_at_most(term: Term, left: Term, right: Term, more: int) -> Bounds:
    """``left <= right + more`` for signed numbers, where ``left`` is the term itself and not negative."""
    if left != term or not isinstance(right, Const):
        return None
    most = signed(right.value, right.size) + more
    return (0, most) if most >= 0 else None


def _solve(term: Term, known: Term, low: int, high: int) -> Bounds:
    """Bounds of ``term`` from ``low <= known <= high``."""
    if low > high:
        return None
    gap = difference(term, known) if term.size == known.size else None
    if gap is not None:
        low, high = low + gap, high + gap
        wrapped = low < 0 <= high or low <= mask(term.size) < high
        return None if wrapped else (low & mask(term.size), high & mask(term.size))
    match known:
        case Apply(OpCode.INT_ZEXT, (inner,)):
            return _solve(term, inner, low, min(high, mask(inner.size)))
        case Apply(OpCode.INT_SEXT, (inner,)) if high <= mask(inner.size) >> 1:
            return _solve(term, inner, low, high)
        case Apply(OpCode.INT_RIGHT, (inner, Const(count))):
            return _solve(term, inner, low << count, min((high + 1 << count) - 1, mask(inner.size)))
        case Sum(constant, parts, size) if len(parts) == 1:
            ((part, factor),) = parts
            moved_low, moved_high = low - constant, high - constant
            if factor != 1:
                return None
            if moved_low < 0 <= moved_high:
                return None  # wraps around zero: two intervals
            return _solve(term, part, moved_low & mask(size), moved_high & mask(size))
        case _:
            return None


def _meet(left: Bounds, right: Bounds) -> Bounds:
    if left is None or right is None:
        return left or right
    low, high = max(left[0], right[0]), min(left[1], right[1])
    return (low, high) if low <= high else left


def _join(left: Bounds, right: Bounds) -> Bounds:
    if left is None or right is None:
        return None
    return min(left[0], right[0]), max(left[1], right[1])
