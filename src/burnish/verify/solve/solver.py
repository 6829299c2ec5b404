"""The solvers as one: ``Solver(...).check(query, timeout_s)``."""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from burnish.core.errors import HostError
from burnish.domains.smt.build import FALSE, TRUE, and_
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.evaluate import evaluate
from burnish.verify.solve.backend import Reply
from burnish.verify.solve.cache import QueryCache, Remembered, content_key
from burnish.verify.solve.encodings import Encoding, encodings, sampled
from burnish.verify.solve.flat import canonical, conjuncts, flatten
from burnish.verify.solve.portfolio import Attempt, Race
from burnish.verify.solve.process import SolverProcess, missing
from burnish.verify.solve.query import Answer, Choice, Model, Query, Sat, Undecided, Unsat

DEFAULT_TIMEOUT_SECONDS = 10.0
DEFAULT_MEMORY_BYTES = 4 << 30
_MOST_SKIPPED = 15

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

    ``cache`` remembers answers (it stays the caller's to close); None asks the solvers each time. ``memory_bytes`` is
    what each child may have. ``commands`` replaces the program behind a solver's name. Raises ``HostError`` if a solver
    that ``choice`` needs is not installed (for ``FIRST``: if none is).
    """

    def __init__(
        self,
        choice: Choice = Choice.FIRST,
        *,
        cache: QueryCache | None = None,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        commands: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.choice = choice
        self._cache = cache
        self.statistics = Statistics()
        given = commands or {}
        names = [name for name in _ASKED[choice] if name in given or installed(name)]
        lacking = [name for name in _ASKED[choice] if name not in names]
        if lacking and (choice is not Choice.FIRST or not names):
            raise HostError(missing(lacking[0]))
        self._processes = [SolverProcess(name, memory_bytes, given.get(name)) for name in names]
        # Loading takes longer than most queries: it begins before the first is there.
        self._processes[0].start()
        self._moments = Moments()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the children. The solver can be used again, with others."""
        for process in self._processes:
            process.close()

    @property
    def pids(self) -> dict[str, int]:
        """The process number of each solver that runs."""
        return {process.name: process.pid for process in self._processes if process.pid is not None}

    def check(self, query: Query, timeout_s: float = DEFAULT_TIMEOUT_SECONDS) -> Answer:
        """Is there a model? A ``Sat`` has been evaluated. An ``Unsat`` names who said so: ``()`` where it shows without
        a solver, ``("algebra",)`` where polynomials are equal. Whatever else happened, a crash among it, is an
        ``Undecided`` within about ``timeout_s`` seconds."""
        start = time.monotonic()
        self.statistics.queries += 1
        answer: Answer
        try:
            with until(start + timeout_s):
                answer = self._check(query, start + timeout_s)
        except OutOfTimeError as error:
            answer = Undecided(str(error))
        kind = {Sat: "sat", Unsat: "unsat", Undecided: "undecided"}[type(answer)]
        self.statistics.answers[kind] = self.statistics.answers.get(kind, 0) + 1
        self.statistics.wall_seconds += time.monotonic() - start
        return answer

    def _check(self, query: Query, deadline: float) -> Answer:
        whole = and_(TRUE, *query.assertions)
        if whole is FALSE or whole is TRUE:
            self.statistics.trivial += 1
            return Unsat(()) if whole is FALSE else Sat(Model())
        query = Query((whole,))
        if self._cache is None:
            return self._ask(query, deadline).answer()
        named, names = canonical(flatten(conjuncts(whole)))
        key = content_key(named)
        remembered = self._remembered(query, self._cache, key, names)
        if remembered is not None:
            self.statistics.cache_hits += 1
            return remembered
        votes = self._ask(query, deadline)
        if not (votes.sat and votes.unsat):
            for name in votes.unsat:
                self._cache.put(key, Remembered(self._full_name(name), "unsat"))
            for name, model in votes.sat.items():
                self._cache.put(key, Remembered(self._full_name(name), "sat", renamed(model, names)))
        return votes.answer()

    def _full_name(self, name: str) -> str:
        return f"{name} {version(name)}"

    def _remembered(
        self, query: Query, cache: QueryCache, key: bytes, names: Mapping[str, Mapping[str, str]]
    ) -> Answer | None:
        """What the cache knows, where it is as good as asking again."""
        full = {self._full_name(process.name): process.name for process in self._processes}
        unsat: list[str] = []
        for row in cache.get(key, full):
            if row.kind == "unsat":
                unsat.append(full[row.solver])
            else:
                model = original(as_model(row.model), names)
                if satisfies(model, query):
                    return Sat(model)
        enough = len(full) if self.choice is Choice.BOTH else 1
        return Unsat(tuple(unsat)) if len(unsat) >= enough else None

    def _ask(self, query: Query, deadline: float) -> Votes:
        """Asks the solvers, in one encoding after the other."""
        everyone = self.choice is Choice.BOTH
        votes = Votes(query, everyone, [process.name for process in self._processes])
        for encoding in encodings(query.assertions, self._moments.due()):
            decided = self._try(votes, encoding, self._limit(votes, encoding, deadline))
            if encoding.alone:
                self._moments.note(decided)
            if decided:
                break
            if time.monotonic() >= deadline:
                break
        return votes

    def _limit(self, votes: Votes, encoding: Encoding, deadline: float) -> float:
        """Until when an encoding is tried. What is short counts from when the solvers are there."""
        share = encoding.share * (deadline - time.monotonic())
        if encoding.seconds is None and encoding.share == 1:
            return deadline
        asked = self._asked(votes)
        for process in asked if votes.everyone else asked[:1]:
            process.wait_until_ready(deadline)
        return min(deadline, time.monotonic() + min(share, encoding.seconds or share))

    def _asked(self, votes: Votes) -> list[SolverProcess]:
        """Those who have not said yet that there is no model."""
        return [process for process in self._processes if process.name not in votes.unsat]

    def _try(self, votes: Votes, encoding: Encoding, limit: float) -> bool:
        """Puts the query in one way. True when it is answered."""
        whole = and_(TRUE, *encoding.assertions)
        if whole is FALSE:
            votes.shows(encoding)
            return True
        votes.encoding = encoding
        asked = self._asked(votes)
        if encoding.alone and not votes.everyone:
            asked = asked[:1]
        race = Race(asked, flatten(conjuncts(whole)), limit, votes.take, together=votes.everyone)
        for attempt in race.run():
            self._count(attempt)
            votes.note(attempt)
        return votes.decided

    def _count(self, attempt: Attempt) -> None:
        name = attempt.process.name
        self.statistics.seconds[name] = self.statistics.seconds.get(name, 0.0) + attempt.seconds


@dataclass(slots=True)
class Moments:
    """Whether queries are put in arrays first: seldom, after a few for which that was no use. Queries that follow each
    other are mostly of one kind."""

    _skipped: int = 0
    _left: int = 0

    def due(self) -> bool:
        """True where it is to be tried again."""
        if self._left:
            self._left -= 1
            return False
        return True

    def note(self, decided: bool) -> None:
        """Whether it was of use."""
        self._skipped = 0 if decided else min(2 * self._skipped + 1, _MOST_SKIPPED)
        self._left = self._skipped


@dataclass(slots=True)
class Votes:
    """What the solvers said, and what follows from it."""

    query: Query
    everyone: bool
    names: Sequence[str]
    unsat: list[str] = field(default_factory=list[str])
    sat: dict[str, Model] = field(default_factory=dict[str, Model])
    encoding: Encoding | None = None
    shown: Answer | None = None
    doubts: list[str] = field(default_factory=list[str])

    def take(self, name: str, reply: Reply) -> bool:
        """Notes a reply. True when no other can change what follows."""
        match reply[0]:
            case "unsat":
                self.unsat.append(name)
                return self.decided
            case "sat":
                encoding = self.encoding
                assert encoding is not None
                model = encoding.restore(as_model(reply[1]))
                if satisfies(model, self.query):
                    self.sat[name] = model
                    return True
                if not encoding.open:
                    self.doubts.append(f"the model of {name} does not satisfy the query")
                elif encoding.open != "products":
                    self.doubts.append(f"{encoding.open} is left open, and matters")
                # A model of an approximation says no more than that another would be found, too.
                return bool(encoding.open)
            case _:
                return False

    @property
    def decided(self) -> bool:
        """True when nothing more can change what follows."""
        enough = len(self.names) if self.everyone else 1
        return bool(self.sat) or len(self.unsat) >= enough

    def shows(self, encoding: Encoding) -> None:
        """Notes that an encoding has no model on its face."""
        if encoding.name == "plain" or sampled(self.query.assertions) is None:
            self.shown = Unsat(encoding.by)
        else:
            self.shown = Undecided(f"the query has a model, and put as {encoding.name} it has none")

    def note(self, attempt: Attempt) -> None:
        """Notes why a solver has no answer."""
        if (
            attempt.reply is not None
            and attempt.reply[0] == "undecided"
            and attempt.reply[1] != "interrupted"
        ):
            self.doubts.append(f"{attempt.process.name}: {attempt.reply[1]}")

    def answer(self) -> Answer:
        """The answer to the query."""
        if self.shown is not None:
            return self.shown
        if self.sat and self.unsat:
            return Undecided(f"{self.unsat[0]} finds no model, and {next(iter(self.sat))} one that holds")
        if self.sat:
            return Sat(next(iter(self.sat.values())))
        if self.decided:
            return Unsat(tuple(self.unsat))
        return Undecided("; ".join(dict.fromkeys(self.doubts)) or "out of time")


def as_model(reply: object) -> Model:
    """The model in a solver's reply."""
    variables, memories, functions = cast(
        tuple[dict[str, int], dict[str, dict[int, int]], dict[str, dict[tuple[int, ...], int]]], reply
    )
    return Model(variables, memories, functions)


def renamed(model: Model, names: Mapping[str, Mapping[str, str]]) -> tuple[object, object, object]:
    """A model's mappings under canonical names (``names`` gives for each what it stands for)."""
    new = {kind: {old: name for name, old in table.items()} for kind, table in names.items()}
    return (
        {new["v"][name]: value for name, value in model.variables.items() if name in new["v"]},
        {new["m"][name]: dict(value) for name, value in model.memories.items() if name in new["m"]},
        {new["f"][name]: dict(value) for name, value in model.functions.items() if name in new["f"]},
    )


def original(model: Model, names: Mapping[str, Mapping[str, str]]) -> Model:
    """A model under canonical names as one of the query."""
    return Model(
        {names["v"][name]: value for name, value in model.variables.items()},
        {names["m"][name]: value for name, value in model.memories.items()},
        {names["f"][name]: value for name, value in model.functions.items()},
    )


def satisfies(model: Model, query: Query) -> bool:
    """True if every assertion evaluates to true."""
    return all(evaluate(query.assertions, model))


def installed(name: str) -> bool:
    """True if the solver's package can be imported."""
    return importlib.util.find_spec(name) is not None


@functools.cache
def version(name: str) -> str:
    """The solver's version; empty if it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(_PACKAGES[name])
    except metadata.PackageNotFoundError:
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
