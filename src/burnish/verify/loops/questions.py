"""What is asked of the solvers in rounds of loops: for a moment only while relations are looked for, and in cases where
a question as a whole is hard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from burnish.domains.smt.build import FALSE, or_
from burnish.domains.smt.terms import Term
from burnish.verify.engine.asking import parts
from burnish.verify.engine.joint import Joint, NotProvedError, Prover
from burnish.verify.loops.cases import cases
from burnish.verify.loops.ranges import simplified
from burnish.verify.loops.recent import RecentModels
from burnish.verify.solve.query import Answer, Model, Sat, Undecided, Unsat

_MOMENT_S = 0.25
_PART_S = 0.4
"""Seconds for many conditions together, before they are looked at in parts."""
_MOST_CHOICES = 3
_WHOLE_S, _CASE_S = 0.6, 0.6
"""Seconds for what must not be, before it is looked at in cases, and for each of those."""
_MOST_PATHS, _CASES_SHARE = 12, 0.6
"""Choices one after the other, of such a question, and what of the time is spent on them."""
_SOON_S = 2.0
"""Seconds for a question whose answer is mostly there at once."""


@dataclass(slots=True)
class RoundAsking(Prover):
    """Asks about rounds. While ``searching`` nothing must hold."""

    searching: bool = False
    patience_s: float | None = None
    """Seconds for one query, where the deadline is not the limit."""
    recent: RecentModels = field(default_factory=RecentModels)
    taken: dict[tuple[Term, ...], Model] = field(default_factory=dict[tuple[Term, ...], Model], repr=False)
    """Conditions of ways in this round that can be gone, each with a model."""

    def soon(self, assertions: Sequence[Term]) -> Answer:
        """As ``Prover.soon``; ``searching`` only for a moment."""
        self.patience_s = _MOMENT_S if self.searching else _SOON_S
        try:
            return self.ask(assertions)
        finally:
            self.patience_s = None

    def ask(self, assertions: Iterable[Term]) -> Answer:
        """As ``Prover.ask``, of simplified assertions."""
        assertions = tuple(assertions)
        taken = self.taken.get(assertions)
        if taken is not None:
            return Sat(taken)
        asked = simplified(tuple(dict.fromkeys(assertions)))
        known = self.recent.find(asked)
        if known is not None:
            return Sat(known)
        deadline = self.deadline
        if self.patience_s is not None:
            self.deadline = min(deadline, time.monotonic() + self.patience_s)
        try:
            answer = Prover.ask(self, asked)
        finally:
            self.deadline = deadline
        if isinstance(answer, Sat):
            self.recent.add(answer.model)
        return answer

    def possible(self, here: Joint) -> bool:
        """As ``Prover.possible``; ``searching`` only for a moment: what is looked for holds of impossible ways, too."""
        return not isinstance(
            self.soon(here.conditions) if self.searching else self.ask(here.conditions), Unsat
        )

    def any_of(self, here: Joint, wrong: Sequence[Term], seconds: float) -> Answer:
        """Is there an input that makes one of ``wrong`` true here? Within so many seconds for each question."""
        asked = (*here.conditions, or_(FALSE, *wrong))
        self.patience_s = seconds
        try:
            answer = self.ask(asked)
            if isinstance(answer, Sat):
                answer = self.ask((*asked, *here.facts, *self.axioms((*asked, *here.facts))))
        finally:
            self.patience_s = None
        return answer

    def answers(
        self, here: Joint, wrong: Sequence[Term], seconds: float = _PART_S
    ) -> Iterator[tuple[Sequence[Term], Answer]]:
        """As ``any_of``, in as many parts as it takes to get answers soon: each part with its answer. Conditions that
        are easy one by one may be hard together, and one that is hard is then a part by itself."""
        waiting: list[tuple[Term, ...]] = [tuple(wrong)] if wrong else []
        while waiting:
            self.on_time()
            part = waiting.pop()
            answer = self.any_of(here, part, seconds)
            if isinstance(answer, Undecided) and len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                continue
            if isinstance(answer, Undecided):
                answer = self._in_cases(here, or_(FALSE, *part), seconds)
            yield part, answer

    def _in_cases(
        self, here: Joint, wrong: Term, seconds: float, most: int = _MOST_CHOICES, *, paths: bool = False
    ) -> Answer:
        """As ``any_of``, of one condition that is hard, with up to so many choices made one after the other."""
        answer: Answer = Undecided("nothing to choose")
        for term, conditions in cases(wrong, here.conditions, paths=paths):
            self.on_time()
            case = replace(here, conditions=conditions)
            answer = self.any_of(case, [term], seconds)
            if isinstance(answer, Undecided) and most:
                answer = self._in_cases(case, term, seconds, most - 1, paths=paths)
            if not isinstance(answer, Unsat):
                break
        return answer

    def require(self, here: Joint, wrong: Term, phrase: str) -> None:
        """As ``Prover.require``; nothing while ``searching``. What is hard is looked at in cases first."""
        if not self.searching and wrong is not FALSE and not self._impossible_in_cases(here, wrong):
            Prover.require(self, here, wrong, phrase)

    def _impossible_in_cases(self, here: Joint, wrong: Term) -> bool:
        """True where that is hard to see at once, and soon seen for each choice of paths."""
        self.patience_s = _WHOLE_S
        try:
            answer = self.ask((*here.conditions, *parts(wrong)))
        finally:
            self.patience_s = None
        if isinstance(answer, Undecided):
            deadline, now = self.deadline, time.monotonic()
            self.deadline = now + _CASES_SHARE * (deadline - now)
            try:
                answer = self._in_cases(here, wrong, _CASE_S, _MOST_PATHS, paths=True)
            except NotProvedError:
                pass  # out of its time
            finally:
                self.deadline = deadline
        return isinstance(answer, Unsat)
