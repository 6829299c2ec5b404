"""What holds of a stretch of the original's code because it accesses objects as its pointers declare them."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.domains.smt.build import add, and_, const, eq, not_, or_, sub, ult
from burnish.domains.smt.terms import Term
from burnish.verify.pair import Unseen


@dataclass(slots=True)
class Typed:
    """The facts (width 1), and what was stored to members of structures: their numbers, conditions and addresses."""

    facts: list[Term] = field(default_factory=list[Term])
    _stored: list[tuple[int, Term, Term]] = field(default_factory=list["tuple[int, Term, Term]"])

    def loaded(self, condition: Term, seen: Term, value: Term) -> Term:
        """What a load finds that sees ``seen`` where memory holds ``value``: the same, or it would not be allowed."""
        if seen is not value:
            self.facts.append(or_(not_(condition), eq(seen, value)))
        return seen

    def accessed(
        self, unseen: Unseen, at: int, condition: Term, address: Term, size: int, *, write: bool
    ) -> None:
        """An access by the instruction ``at``. What is loaded as a member is the same as what was stored to that member
        of an object, or of another object."""
        member = (unseen.members_stored if write else unseen.members_loaded).get(at)
        if member is None:
            return
        if write:
            self._stored.append((member, condition, address))
            return
        for number, earlier, other in self._stored:
            distance = sub(address, other)
            if number == member and not distance.is_const:
                near = ult(add(distance, const(size - 1, 64)), const(2 * size - 1, 64))
                both = and_(condition, earlier)
                self.facts.append(or_(not_(both), not_(near), eq(distance, const(0, 64))))
