"""What comes of a proof, who answers its queries, and how it ends where something does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from burnish.core.verdict import Bounded, Proved, Unknown
from burnish.domains.smt.terms import Term
from burnish.verify.pair import Local
from burnish.verify.solve.query import Answer, Model, Query

if TYPE_CHECKING:
    from burnish.verify.engine.asking import Joint
    from burnish.verify.engine.suspicion import Suspicion


APART = "no objects overlap that the original copies with memcpy"
"""What is taken for granted where the original copies memory."""


class Solves(Protocol):
    """What answers queries (``verify.solve``)."""

    def check(self, query: Query, timeout_s: float) -> Answer:
        """Is there a model?"""
        ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of an attempt: proved, or a reason why not, with a model of the inputs on which the two may differ.

    ``invariants`` is what a proof of loops rests on, as JSON data from which it can be checked again without a search;
    ``method`` is a phrase that says how it was proved; ``provisos`` are phrases on what it takes for granted: with any,
    it is a proof under them. ``apart`` names the calls, of each side, that have no counterpart in the other: executed
    in line they may be none."""

    verdict: Proved | Bounded | Unknown
    model: Model | None = None
    queries: int = 0
    invariants: tuple[Any, ...] = ()
    method: str = ""
    provisos: tuple[str, ...] = ()
    apart: tuple[str, str] = ("", "")
    callees: tuple[str, ...] = ()
    """Names of the functions that both were seen to call alike."""
    others: tuple[Model, ...] = ()
    """Models of earlier attempts, each a suspicion of its own; where none of them comes true, it is the last attempt
    that counts."""
    escapes: tuple[tuple[int | None, int | None], ...] = ()
    """What ended it: addresses in the frame that are given to a callee, as an ``EscapeError`` has them."""
    locals: tuple[Local, ...] | None = ()
    """Where there are ``escapes``, and in a proof: objects of the original as it was executed (``engine.stacked``)."""
    suspicions: tuple[Suspicion, ...] = field(default=(), repr=False, compare=False)
    """What came of this attempt and of earlier ones, with all that is known: the original goes on from there."""


class NotProvedError(Exception):
    """The attempt ends: a phrase, and perhaps a suspected counterexample. Then ``here`` is where the two are, and all
    of ``assertions`` holds."""

    def __init__(
        self,
        reason: str,
        model: Model | None = None,
        here: Joint | None = None,
        assertions: Sequence[Term] = (),
    ) -> None:
        super().__init__(reason)
        self.model = model
        self.here = here
        self.assertions = assertions
        self.apart: tuple[str, str] = ("", "")
