"""The solvers as one: ``Solver(...).check(query, timeout_s)``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from burnish.core.errors import HostError
from burnish.domains.smt.build import FALSE, TRUE, and_
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Op, Term
from burnish.verify.solve.backend import Reply
from burnish.verify.solve.flat import Flat, flatten
from burnish.verify.solve.lower import lower
from burnish.verify.solve.portfolio import Attempt, Race
from burnish.verify.solve.process import SolverProcess, missing
from burnish.verify.solve.query import Answer, Choice, Model, Query, Sat, Undecided, Unsat

DEFAULT_TIMEOUT_SECONDS = 10.0
DEFAULT_MEMORY_BYTES = 4 << 30

_PACKAGES = {"bitwuzla": "bitwuzla", "z3": "z3-solver"}
_ASKED: dict[Choice, tuple[str, ...]] = {
    Choice.FIRST: ("bitwuzla", "z3"),
    Choice.BOTH: ("bitwuzla", "z3"),
    Choice.BITWUZLA: ("bitwuzla",),
    Choice.Z3: ("z3",),
}


@dataclass(slots=True)
class Statistics:
    """What a ``Solver`` did so far. ``seconds`` are those that each solver was at work for, by its name; two work at
    the same time. ``answers`` counts by kind: ``sat``, ``unsat``, ``undecided``."""

    queries: int = 0
    trivial: int = 0
    cache_hits: int = 0
    wall_seconds: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    answers: dict[str, int] = field(default_factory=dict[str, int])


class Solver:
    """Bitwuzla and Z3 in child processes that are kept from query to query; a context manager, for one thread.

    ``memory_bytes`` is what each child may have. ``commands`` replaces the program behind a solver's name. Raises
    ``HostError`` if a solver that ``choice`` needs is not installed (for ``FIRST``: if none is).
    """

    def __init__(
        self,
        choice: Choice = Choice.FIRST,
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        commands: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.choice = choice
        self.statistics = Statistics()
        given = commands or {}
        names = [name for name in _ASKED[choice] if name in given or installed(name)]
        lacking = [name for name in _ASKED[choice] if name not in names]
        if lacking and (choice is not Choice.FIRST or not names):
            raise HostError(missing(lacking[0]))
        self._processes = [SolverProcess(name, memory_bytes, given.get(name)) for name in names]
        # Loading takes longer than most queries: it begins before the first is there.
        self._processes[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the children. The solver can be used again, with others."""
        for process in self._processes:
            process.kill()

    @property
    def pids(self) -> dict[str, int]:
        """The process number of each solver that runs."""
        return {process.name: process.pid for process in self._processes if process.pid is not None}

    def check(self, query: Query, timeout_s: float = DEFAULT_TIMEOUT_SECONDS) -> Answer:
        """Is there a model? A ``Sat`` has been evaluated, an ``Unsat`` names who said so (``()``: it shows without a
        solver); whatever else happened, a crash among it, is an ``Undecided`` within about ``timeout_s`` seconds."""
        start = time.monotonic()
        self.statistics.queries += 1
        answer = self._check(query, start + timeout_s)
        kind = {Sat: "sat", Unsat: "unsat", Undecided: "undecided"}[type(answer)]
        self.statistics.answers[kind] = self.statistics.answers.get(kind, 0) + 1
        self.statistics.wall_seconds += time.monotonic() - start
        return answer

    def _check(self, query: Query, deadline: float) -> Answer:
        whole = and_(TRUE, *query.assertions)
        if whole is FALSE or whole is TRUE:
            self.statistics.trivial += 1
            return Unsat(()) if whole is FALSE else Sat(Model())
        lowered = and_(*lower([whole]))
        if lowered is FALSE:
            return Unsat(())
        return self._ask(query, flatten(conjuncts(lowered)), deadline)

    def _ask(self, query: Query, flat: Flat, deadline: float) -> Answer:
        votes = _Votes(query, everyone=self.choice is Choice.BOTH, names=[p.name for p in self._processes])
        race = Race(self._processes, flat, deadline, votes.take, together=self.choice is Choice.BOTH)
        attempts = race.run()
        for attempt in attempts:
            self._count(attempt)
        return votes.answer(attempts)

    def _count(self, attempt: Attempt) -> None:
        name = attempt.process.name
        self.statistics.seconds[name] = self.statistics.seconds.get(name, 0.0) + attempt.seconds


@dataclass(slots=True)
class _Votes:
    """What the solvers said, and what follows from it."""

    query: Query
    everyone: bool
    names: Sequence[str]
    unsat: list[str] = field(default_factory=list[str])
    sat: dict[str, Model] = field(default_factory=dict[str, Model])
    doubts: list[str] = field(default_factory=list[str])

    def take(self, name: str, reply: Reply) -> bool:
        """Notes a reply. True when no other can change what follows."""
        match reply[0]:
            case "unsat":
                self.unsat.append(name)
                return not self.everyone or len(self.unsat) == len(self.names) or bool(self.sat)
            case "sat":
                model = as_model(reply[1])
                if satisfies(model, self.query):
                    self.sat[name] = model
                    return True
                self.doubts.append(f"the model of {name} does not satisfy the query")
                return False
            case _:
                self.doubts.append(f"{name}: {reply[1]}")
                return False

    def answer(self, attempts: Sequence[Attempt]) -> Answer:
        """The answer to the query."""
        if self.sat and self.unsat:
            return Undecided(f"{self.unsat[0]} finds no model, and {next(iter(self.sat))} one that holds")
        if self.sat:
            return Sat(next(iter(self.sat.values())))
        enough = len(self.names) if self.everyone else 1
        if len(self.unsat) >= enough:
            return Unsat(tuple(self.unsat))
        silent = [
            f"{attempt.process.name}: {attempt.reply[1]}"
            for attempt in attempts
            if attempt.reply is not None and attempt.reply[0] == "undecided"
        ]
        reasons = dict.fromkeys([*self.doubts, *silent])
        return Undecided("; ".join(reasons) or "out of time")


def as_model(reply: object) -> Model:
    """The model in a solver's reply."""
    variables, memories, functions = cast(
        tuple[dict[str, int], dict[str, dict[int, int]], dict[str, dict[tuple[int, ...], int]]], reply
    )
    return Model(variables, memories, functions)


def satisfies(model: Model, query: Query) -> bool:
    """True if every assertion evaluates to true."""
    return all(evaluate(query.assertions, model))


def conjuncts(term: Term) -> tuple[Term, ...]:
    """What has to hold at once."""
    return term.args if term.op is Op.AND and term.width == 1 else (term,)


def installed(name: str) -> bool:
    """True if the solver's package can be imported."""
    return importlib.util.find_spec(name) is not None


def version(name: str) -> str:
    """The solver's version; empty if it is not installed."""
    try:
        return importlib.metadata.version(_PACKAGES[name])
    except importlib.metadata.PackageNotFoundError:
        return ""


def solve(
    query: Query,
    *,
    choice: Choice = Choice.FIRST,
    timeout_s: float = DEFAULT_TIMEOUT_SECONDS,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Answer:
    """One query, with solvers of its own. For several, a ``Solver`` is far cheaper."""
    with Solver(choice, memory_bytes=memory_bytes) as solver:
        return solver.check(query, timeout_s)
