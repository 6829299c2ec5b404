"""Ranges of terms, from comparisons that are asserted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import gcd

from burnish.domains.smt.build import add, const, extract, zext
from burnish.domains.smt.known import largest, least
from burnish.domains.smt.leaves import signed
from burnish.domains.smt.sums import Linear, linear, written
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.solve.flat import all_conjuncts

PASSES = 3
"""Times that all is looked at again, at most."""
_Range = tuple[int, int]
SUMS = frozenset((Op.ADD, Op.MUL, Op.SHL, Op.CONCAT, Op.OR, Op.ZEXT))


class Ranges:
    """The least and the greatest number that terms can be where all assertions hold, as unsigned integers.

    ``sources`` are the assertions that this was learned from. They must stay, as they are, beside what was simplified
    with it."""

    def __init__(self, assertions: Iterable[Term]) -> None:
        self._known: dict[Term, _Range] = {}
        self._found: dict[Term, _Range] = {}
        """What ``of`` found, for as long as nothing more is known."""
        self._sums: dict[Term, Linear] = {}
        self.sources: dict[Term, None] = {}
        self._literals = [*all_conjuncts(assertions)]
        for _ in range(PASSES):
            before = dict(self._known)
            for literal in self._literals:
                if self._learn(literal):
                    self.sources[literal] = None
            if self._known == before:
                break

    def of(self, term: Term) -> tuple[int, int]:
        """``(least, greatest)``."""
        found = self._found
        opened: set[Term] = set()
        stack = [term]
        # Without recursion: a sum may have sums in it, thousands deep.
        while stack:
            part = stack[-1]
            if part not in found and part not in opened:
                opened.add(part)
                stack += [one for one in self._parts(part) if one not in found and one not in opened]
                continue
            stack.pop()
            if part not in found:
                low, high = self._derived(part)
                known = self._known.get(part, (low, high))
                found[part] = max(low, known[0]), min(high, known[1])
        return found[term]

    def equalities(self) -> tuple[dict[Term, Term], list[Term]]:
        """Terms that can be but one thing, each with that; and the assertions, beside ``sources``, that say so. They
        must stay as well."""
        equal = {
            term: const(low, term.width)
            for term, (low, high) in self._known.items()
            if low == high and not term.is_const and term.op is not Op.ADD
        }
        kept: list[Term] = []
        above: dict[tuple[Term, Term], tuple[int, Term]] = {}
        for literal in self._literals:
            less = self._less(literal)
            if less is None:
                continue
            low, distance, high = less
            known = above.get((low, high))
            if known is None or known[0] < distance:
                above[low, high] = distance, literal
        for literal in self._literals:
            less = self._less(literal.args[0]) if literal.op is Op.NOT else None
            if less is None:
                continue
            base, constant, other = less
            found = above.get((base, other))
            if found is None or found[0] != constant - 1 or other.is_const or other in equal:
                continue
            if other not in subterms(base):
                # base + constant - 1 < other <= base + constant
                width = max(base.width, other.width) + 1
                equal[other] = extract(add(zext(base, width), const(constant, width)), 0, other.width)
                kept += [literal, found[1]]
        return equal, kept

    def _less(self, atom: Term) -> tuple[Term, int, Term] | None:
        """``(base, constant, other)`` of ``base + constant < other`` as a comparison of integers, where it is one."""
        if atom.op not in (Op.ULT, Op.SLT):
            return None
        first, other = atom.args
        limit = 1 << (first.width - int(atom.op is Op.SLT))
        if self.of(first)[1] >= limit or self.of(other)[1] >= limit:
            return None
        base, constant = split(first)
        low, high = self.of(base)
        if low + constant < 0 or high + constant >= limit:
            return None
        while base.op is Op.ZEXT:
            base = base.args[0]
        while other.op is Op.ZEXT:
            other = other.args[0]
        return base, constant, other

    def _parts(self, term: Term) -> Iterable[Term]:
        """What the range of a term is derived from."""
        if term.op in (Op.ZEXT, Op.LSHR) or is_top(term):
            return term.args[:1]
        if term.op not in SUMS:
            return ()
        total = self._sum(term)
        scaled = _scaled(total)
        return total.factors if scaled is None else (*total.factors, scaled[0])

    def _sum(self, term: Term) -> Linear:
        found = self._sums.get(term)
        if found is None:
            found = self._sums[term] = linear((term, 1))
        return found

    def _seen(self, term: Term) -> _Range:
        """The range of a part, which mostly is there."""
        return self._found.get(term) or (least(term), largest(term))

    def _derived(self, term: Term) -> _Range:
        if term.is_const:
            return term.value, term.value
        low, high = least(term), largest(term)
        match term.op:
            case Op.ZEXT:
                found = self._seen(term.args[0])
            case Op.LSHR if term.args[1].is_const and term.args[1].value < term.width:
                bottom, top = self._seen(term.args[0])
                found = bottom >> term.args[1].value, top >> term.args[1].value
            case Op.EXTRACT if is_top(term):
                assert isinstance(term.payload, int)
                bottom, top = self._seen(term.args[0])
                found = bottom >> term.payload, top >> term.payload
            case op if op in SUMS:
                found = self._total(term) or (low, high)
            case _:
                found = low, high
        return max(low, found[0]), min(high, found[1])

    def _total(self, term: Term) -> _Range | None:
        """The range of a sum that does not wrap."""
        total = self._sum(term)
        if term in total.factors:
            return None
        low = high = signed(total.constant, term.width)
        for factor, coefficient in total.factors.items():
            least_, most = self._seen(factor)
            low += coefficient * least_
            high += coefficient * most
        limit = 1 << term.width
        found = (low, high) if low >= 0 and high < limit else None
        scaled = _scaled(total)
        if scaled is not None:
            # What is multiplied may be known better than its parts.
            base, times = scaled
            least_, most = self._seen(base)
            if times * most < limit:
                low, high = found or (0, limit - 1)
                return max(low, times * least_), min(high, times * most)
        return found

    def _learn(self, literal: Term) -> bool:
        negated = literal.op is Op.NOT
        atom = literal.args[0] if negated else literal
        if atom.op not in (Op.ULT, Op.SLT):
            return negated and atom.op is Op.EQ and atom.args[0].width > 1 and self._different(*atom.args)
        first, second = atom.args
        if negated:
            first, second = second, first
        strict = int(not negated)
        # first < second, or first <= second
        if atom.op is Op.SLT:
            half = 1 << (first.width - 1)
            if self.of(first)[1] >= half:
                return False
            changed = self._set(second, 0, half - 1)
        else:
            changed = False
        low, high = self.of(first)[0] + strict, self.of(second)[1] - strict
        changed |= self._set(second, low, (1 << second.width) - 1)
        return self._set(first, 0, high) or changed

    def _different(self, first: Term, second: Term) -> bool:
        if first.is_const:
            first, second = second, first
        if not second.is_const:
            return False
        low, high = self.of(first)
        if second.value == low < high:
            return self._set(first, low + 1, high)
        return second.value == high > low and self._set(first, low, high - 1)

    def _set(self, term: Term, low: int, high: int) -> bool:
        """Narrows a range; that of ``x`` for ``x + c`` where the sum does not wrap. True where that is news."""
        if term.is_const:
            return False
        before = self.of(term)
        new = max(low, before[0]), min(high, before[1])
        if new == before or new[0] > new[1]:
            return False
        self._pass_on(term, new)
        self._known[term] = new
        self._found.clear()
        return True

    def _pass_on(self, term: Term, new: tuple[int, int]) -> None:
        """What the range of a term says of the one that it is made of."""
        if term.op is Op.ZEXT:
            self._set(term.args[0], new[0], min(new[1], (1 << term.args[0].width) - 1))
        if term.op not in SUMS:
            return
        total = linear((term, 1))
        constant = signed(total.constant, term.width)
        if constant:
            base = total_of(total.factors, 0, term.width)
            low, high = self.of(base)
            if low + constant >= 0 and high + constant < 1 << term.width:
                self._set(base, new[0] - constant, new[1] - constant)
        elif len(total.factors) == 1:
            ((factor, coefficient),) = total.factors.items()
            if factor is not term and self.of(factor)[1] * coefficient < 1 << term.width:
                self._set(factor, -(-new[0] // coefficient), new[1] // coefficient)


def is_top(term: Term) -> bool:
    """True of the upper bits of a term."""
    if term.op is not Op.EXTRACT or not term.payload:
        return False
    assert isinstance(term.payload, int)
    return term.payload + term.width == term.args[0].width


def _scaled(total: Linear) -> tuple[Term, int] | None:
    """A sum of several values, all with one factor, without that, and the factor."""
    times = gcd(total.constant, *total.factors.values())
    if len(total.factors) < 2 or times == 1:
        return None
    parts = {part: coefficient // times for part, coefficient in total.factors.items()}
    return total_of(parts, total.constant // times, total.width), times


def split(term: Term) -> tuple[Term, int]:
    """A sum as its part without a constant, and the constant (signed); other terms with 0."""
    if term.op not in (Op.ADD, Op.CONCAT, Op.OR):
        return term, 0
    total = linear((term, 1))
    if not total.constant or not total.factors:
        return term, 0
    return total_of(total.factors, 0, term.width), signed(total.constant, term.width)


def total_of(parts: Mapping[Term, int], constant: int, width: int) -> Term:
    """The sum of parts with coefficients, and a constant."""
    total = linear((const(constant, width), 1), *parts.items())
    return written(total)
