"""Which numbers the difference of two addresses never is, from what is asserted.

Code that copies in blocks asks first whether what it reads and what it writes overlap. What it has asked is of a
difference: that some intervals are none. A load then finds nothing of a store at an address that differs by one of
those, and the solver need not look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from burnish.domains.smt.build import select
from burnish.domains.smt.sums import Linear, linear
from burnish.domains.smt.terms import Op, Term
from burnish.verify.loops.known_ranges import is_top

_WIDTH = 64
_MASK = (1 << _WIDTH) - 1
_MOST = 64
"""Facts that are kept."""

_Key = frozenset[tuple[Term, int]]
_Exclusion = tuple[Linear, int, int]


class Differences:
    """What comparisons of sums of several values exclude. ``sources`` are the literals that were made use of: they must
    stay, as they are, beside what was simplified with them."""

    def __init__(self, literals: Iterable[Term]) -> None:
        self._never: dict[_Key, list[tuple[int, int, Term]]] = {}
        self.sources: dict[Term, None] = {}
        for literal, (total, low, high) in islice(_exclusions(literals), _MOST):
            key, sign = _key(total)
            first, last = low - total.constant, high - total.constant
            if sign < 0:
                first, last = -last, -first
            self._never.setdefault(key, []).append((first & _MASK, (last - first) & _MASK, literal))

    def __bool__(self) -> bool:
        return bool(self._never)

    def apart(self, first: Term, second: Term) -> bool:
        """True where two addresses are surely not the same."""
        total = linear((first, 1), (second, -1))
        if not total.factors:
            return total.constant != 0
        key, sign = _key(total)
        number = -sign * total.constant
        for low, length, literal in self._never.get(key, ()):
            if (number - low) & _MASK <= length:
                self.sources[literal] = None
                return True
        return False

    def loaded(self, memory: Term, address: Term) -> Term:
        """A byte of memory, found beneath all stores that are surely elsewhere."""
        found = select(memory, address)
        while found.op is Op.SELECT:
            above, where = found.args
            if above.op is not Op.STORE or not self.apart(above.args[1], where):
                break
            found = select(above.args[0], where)
        return found


def _key(total: Linear) -> tuple[_Key, int]:
    """A sum without its constant, or its negation, whichever has the smaller first coefficient; and 1 or -1."""
    _, first = total.ordered()[0]
    sign = 1 if first <= _MASK >> 1 else -1
    return frozenset((term, sign * times & _MASK) for term, times in total.factors.items()), sign


def _exclusions(literals: Iterable[Term]) -> Iterator[tuple[Term, _Exclusion]]:
    """Literals that say of a sum of several values that it is none of an interval of numbers, each with both."""
    for literal in literals:
        negated = literal.op is Op.NOT
        found = _excluded(literal.args[0] if negated else literal, negated=negated)
        if found is not None and len(found[0].factors) > 1 and found[1] <= found[2]:
            yield literal, found


def _excluded(atom: Term, *, negated: bool) -> _Exclusion | None:
    """The sum, and the least and greatest number that it is not. A number is never below a sum: that is written as a
    sum which is not below the next."""
    if atom.op not in (Op.EQ, Op.ULT):
        return None
    first, second = atom.args
    if atom.op is Op.EQ and negated and second.is_const and second.value == 0 and is_top(first):
        assert isinstance(first.payload, int)
        (whole,) = first.args
        return (linear((whole, 1)), 0, (1 << first.payload) - 1) if whole.width == _WIDTH else None
    if first.width != _WIDTH:
        return None
    match atom.op, negated:
        case Op.EQ, True:
            return linear((first, 1), (second, -1)), 0, 0
        case Op.ULT, False if second.is_const:
            return linear((first, 1)), second.value, _MASK
        case Op.ULT, True if second.is_const:
            return linear((first, 1)), 0, second.value - 1
        case _:
            return None
