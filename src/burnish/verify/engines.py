"""The engines that verdicts are made with: native tests, and proof by the solvers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np

from burnish.core.state import MachineState, MemoryRegion
from burnish.core.verdict import Counterexample, Unknown
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.runtime.batch import StateBatch, Status
from burnish.verify.asked import AskedQueries
from burnish.verify.decide import Hint, Reached, TestResult, Untested
from burnish.verify.engine.asking import Asking
from burnish.verify.engine.joint import Proof
from burnish.verify.engine.onward import Onward, fixed_places
from burnish.verify.engine.suspicion import Suspicion
from burnish.verify.engine.walks import Walks
from burnish.verify.entry_conditions import entry_conditions
from burnish.verify.loops.invariants import check, cuts_of, from_json
from burnish.verify.loops.suspect import suspect
from burnish.verify.pair import Pair, Side
from burnish.verify.prove import has_loops, prove, prove_briefly
from burnish.verify.solve.cache import QueryCache
from burnish.verify.solve.query import Choice, Model
from burnish.verify.solve.solver import Solver, version
from burnish.verify.trials import (
    Bench,
    CannotRunError,
    GivenInput,
    GivenTest,
    PreparedOriginal,
    Reaches,
    TestStore,
    replay_model,
    run_model,
    run_trials,
)
from burnish.verify.trials.arena import roomy_places

_FEW = 64
"""Inputs of a first look."""
_NOTED_S = 0.3
"""For noting what given inputs reach."""
_GUIDED_SHARE = 0.4
"""Of the time for exploring, what is for inputs that are found without solvers."""
_FIRST = 8
"""Given ones among them: the rest waits until a proof is not to be had soon."""
_GIVEN_SHARE, _ONE_S = 0.4, 0.6
"""Of the time for suspicions, what those of the proof may take; and the seconds for each of the others."""
_FEW_ROUNDS = 2
"""Rounds of loops in which others are looked for."""
_STARTS = 48
"""Inputs from which the relations between loops are learnt, at most."""


class StandardEngines:
    """See ``decide.Engines``. Solvers and the processes in which tests run are kept from pair to pair; a context
    manager. ``bound`` is how often loops are unrolled for which no invariant is found, ``tests`` how many inputs are
    drawn (0: nothing is run), by ``seed``, beside those that ``inputs`` gives for a pair; ``smt_lib`` is a folder for
    the solvers' queries; where ``cached``, answers, and inputs that told rewrites apart, are remembered from run to
    run. Raises ``HostError`` without the solvers that ``choice`` needs."""

    def __init__(
        self,
        choice: Choice = Choice.FIRST,
        bound: int = 8,
        *,
        tests: int = 512,
        seed: int = 0,
        smt_lib: Path | None = None,
        cached: bool = False,
        inputs: Callable[[Pair], Sequence[GivenInput]] = lambda pair: (),
    ) -> None:
        self._cache = QueryCache() if cached else None
        self._solver = Solver(choice, cache=self._cache)
        self._asked = AskedQueries(self._solver, smt_lib)
        self._bench = Bench()
        self._store = TestStore() if cached else None
        self._inputs = inputs
        self._bound = bound
        self._tests = tests
        self._seed = seed
        self._starts: tuple[MachineState, ...] = ()
        self._objects: Mapping[str, int] = {}
        self._prepared: PreparedOriginal | None = None
        self._reaches: Reaches | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._solver.close()
        if self._cache is not None:
            self._cache.close()
        self._bench.close()

    def glance(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on what told rewrites apart before, and on a few inputs, the first of the given ones too."""
        self._starts, self._prepared, self._reaches = (), None, None
        if not self._tests:
            return Untested("no tests were asked for")
        if has_loops(pair):
            # Nothing is proved briefly, so that all tests are next; and where inputs run on, few take as long.
            return Untested("all tests are next")
        few = min(self._tests, _FEW)
        return run_trials(
            pair,
            self._bench,
            count=few,
            seed=self._seed,
            seconds=seconds,
            inputs=islice(self._inputs(pair), _FIRST),
            store=self._store,
        )

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        self._starts, self._objects, self._prepared, self._reaches = (), {}, None, None
        if not self._tests:
            return Untested("no tests were asked for")
        found = run_trials(
            pair,
            self._bench,
            count=self._tests,
            seed=self._seed,
            seconds=seconds,
            inputs=self._inputs(pair),
            store=self._store,
        )
        self._prepared = found.prepared
        if found.prepared is not None:
            self._starts = _starts(found.prepared)
            self._objects = found.prepared.setting.arena.addresses
        return found

    def explore(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs that lead where those of the last test do not, then on inputs that the solvers
        make, one for each path of either side; loops are gone round as often as they are unrolled."""
        if not self._tests:
            return Untested("no tests were asked for")
        deadline = time.monotonic() + seconds
        reaches = self._reaches = Reaches.of(pair)
        reaches.until(deadline)
        with suppress(CannotRunError):
            if self._prepared is not None:
                self._prepared.note(reaches, pair.rewrite)
        # Given inputs were tests before: they are run again for what they reach, and count no more.
        given = islice(self._inputs(pair), _FIRST)
        run_trials(pair, self._bench, count=0, seconds=_NOTED_S, inputs=given, reaches=reaches)
        trials = run_trials(
            pair,
            self._bench,
            count=min(self._tests, _FEW),
            seed=self._seed + 1,
            seconds=_GUIDED_SHARE * (deadline - time.monotonic()),
            reaches=reaches,
        )
        reaches.until(deadline)
        for number, side in enumerate((pair.original, pair.rewrite)):
            for model in self._walked(pair, side, (deadline - time.monotonic()) / (2 - number)):
                if trials.counterexample is not None or time.monotonic() > deadline:
                    break
                left = max(0.0, deadline - time.monotonic())
                trials = trials.and_then(run_model(pair, model, self._bench, reaches, left))
        if trials.counterexample is not None:
            self._keep(pair, trials.counterexample)
        return replace(trials, reason="")

    def _walked(self, pair: Pair, side: Side, seconds: float) -> Iterator[Model]:
        """Entry states for the paths of one side."""
        asking = Asking(pair, self._solver, time.monotonic() + seconds)
        assumed = tuple(entry_conditions(pair.specification))
        cuts = cuts_of(pair)[side is pair.rewrite]
        return Walks(asking, side, cuts, self._bound, assumed, self._seed).inputs()

    def _keep(self, pair: Pair, found: Counterexample) -> None:
        if self._store is not None:
            self._store.add(pair.original, found)

    @property
    def reached(self) -> Reached:
        """Of the last test and what came after it, once it was explored."""
        return () if self._reaches is None else self._reaches.counts

    def prove_briefly(self, pair: Pair, seconds: float) -> Proof | None:
        """Looks for a proof; None for functions with loops. Raises ``UsageError`` for conditions that are none."""
        assumed = entry_conditions(pair.specification)
        self._asked.begin(pair.original.name)
        return _within(seconds, lambda: prove_briefly(pair, self._asked, timeout_s=seconds, assumed=assumed))

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        """Looks for a proof; loops are learnt on the inputs of the last test, or checked with ``invariants``. Raises
        ``UsageError`` for conditions that are none."""
        assumed = entry_conditions(pair.specification)
        self._asked.begin(pair.original.name)
        if invariants:
            try:
                known = from_json(invariants)
            except ValueError as error:
                return Proof(Unknown(f"the invariants cannot be read: {error}"))
            deadline = time.monotonic() + seconds
            return _within(seconds, lambda: check(pair, self._asked, deadline, known, assumed))
        return _within(
            seconds,
            lambda: prove(
                pair,
                self._asked,
                timeout_s=seconds,
                assumed=assumed,
                bound=self._bound,
                starts=self._starts,
                objects=self._objects,
            ),
        )

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs what a solver suspects."""
        found = replay_model(pair, model, self._bench)
        if isinstance(found, Counterexample):
            self._keep(pair, found)
        return found

    def pursue(self, pair: Pair, suspicions: Sequence[Suspicion], seconds: float) -> Counterexample | None:
        """Runs what the solvers make of suspicions: inputs on which the original goes on to its end. After those that
        are given come those that show when all known code is in line."""
        deadline = time.monotonic() + seconds
        places = roomy_places(pair)
        limit = time.monotonic() + _GIVEN_SHARE * seconds
        found = self._pursued(pair, suspicions, places, limit)

        def look(suspicion: Suspicion) -> bool:
            nonlocal found
            found = self._pursued(pair, [suspicion], places, min(deadline, time.monotonic() + _ONE_S))
            return found is not None

        if found is None:
            assumed = entry_conditions(pair.specification)
            fixed = fixed_places(pair, places)
            with suppress(OutOfTimeError):
                suspect(pair, self._solver, deadline, _FEW_ROUNDS, assumed, fixed, look)
        if found is not None:
            self._keep(pair, found)
        return found

    def _pursued(
        self, pair: Pair, suspicions: Sequence[Suspicion], places: Mapping[str, int], deadline: float
    ) -> Counterexample | None:
        for number, suspicion in enumerate(suspicions):
            now = time.monotonic()
            limit = now + (deadline - now) / min(len(suspicions) - number, 2)
            asking = Asking(suspicion.pair, self._solver, limit)
            for model in Onward(asking, suspicion, self._bound, places).inputs():
                found = replay_model(pair, model, self._bench)
                if isinstance(found, Counterexample):
                    return found
                if time.monotonic() > limit:
                    break
        return None

    def confirm(self, pair: Pair, given: Counterexample) -> Counterexample | str:
        """Runs both sides on the input of a counterexample."""
        try:
            test = GivenTest.of(
                pair.original, pair.specification, GivenInput.of_counterexample(given), self._bench
            )
            found = test.test(pair.rewrite, self._bench)
        except (CannotRunError, ValueError) as error:
            return f"the input cannot be run: {error}"
        if found is not None:
            return found
        return f"the input tells nothing: {test.void}" if test.void else "on the input both do the same"

    @property
    def query_hashes(self) -> tuple[str, ...]:
        """Of the last proof."""
        return self._asked.hashes

    @property
    def solvers(self) -> Mapping[str, str]:
        """Those that are asked, with their versions."""
        return {name: version(name) for name in self._solver.pids}


_Found = TypeVar("_Found")


def _within(seconds: float, work: Callable[[], _Found]) -> _Found | Proof:
    """What comes of ``work``, or why nothing does: it takes too long, or needs more stack than Python has."""
    try:
        with until(time.monotonic() + seconds):
            return work()
    except OutOfTimeError as error:
        return Proof(Unknown(str(error)))
    except RecursionError:
        return Proof(Unknown("its terms are nested too deeply"))


def _starts(prepared: PreparedOriginal) -> tuple[MachineState, ...]:
    """States from which the original returned."""
    found: list[MachineState] = []
    for states, results in prepared.stages:
        for row in np.flatnonzero(results.status == Status.FINISHED)[::2].tolist():
            found.append(_state(states, row))
            if len(found) >= _STARTS:
                return tuple(found)
    return tuple(found)


def _state(states: StateBatch, row: int) -> MachineState:
    halves = states.xmm[row].tolist()
    memory = tuple(
        MemoryRegion(
            window.address,
            (window.contents if window.contents.ndim == 1 else window.contents[row]).tobytes(),
            window.access,
        )
        for window in states.windows
    )
    return MachineState(
        tuple(states.gpr[row].tolist()),
        tuple(low | high << 64 for low, high in halves),
        int(states.flags[row]),
        memory=memory,
        fs_base=states.fs_base,
    )
