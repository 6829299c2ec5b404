"""What is asked of a solver, and what it can answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from burnish.domains.smt.terms import Term


class Choice(Enum):
    """Which solvers are asked. ``FIRST``: the first answer counts. ``BOTH``: an ``Unsat`` counts only if Bitwuzla and
    Z3 say so both; a disagreement is an ``Undecided`` that says so."""

    FIRST = "first"
    BOTH = "both"
    BITWUZLA = "bitwuzla"
    Z3 = "z3"


@dataclass(frozen=True, slots=True)
class Query:
    """Is there a model of all ``assertions`` (terms of width 1) at once?"""

    assertions: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """Values that satisfy a query, as unsigned integers. ``memories`` gives for each memory variable the bytes that
    the query depends on, by address; ``functions`` for each uninterpreted function its values by operands. What is
    not named is free."""

    variables: Mapping[str, int] = field(default_factory=dict[str, int])
    memories: Mapping[str, Mapping[int, int]] = field(default_factory=dict[str, Mapping[int, int]])
    functions: Mapping[str, Mapping[tuple[int, ...], int]] = field(
        default_factory=dict[str, Mapping[tuple[int, ...], int]]
    )


@dataclass(frozen=True, slots=True)
class Sat:
    """There is a model: this one, which was evaluated and satisfies the query."""

    model: Model


@dataclass(frozen=True, slots=True)
class Unsat:
    """There is none. ``solvers`` have said so."""

    solvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """No answer, with the reason as a phrase: out of time or memory, a crash, a disagreement, a model that does not
    satisfy the query. Never a pass."""

    reason: str


Answer = Sat | Unsat | Undecided
