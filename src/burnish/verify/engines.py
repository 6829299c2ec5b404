"""The engines that verdicts are made with: native tests, and proof by the solvers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from burnish.core.specification import Specification
from burnish.core.state import MachineState, MemoryRegion
from burnish.core.verdict import Counterexample, Unknown
from burnish.machine.registers import FLAG_OFFSETS
from burnish.runtime.batch import StateBatch, Status
from burnish.verify.asked import AskedQueries
from burnish.verify.conditions import condition_holds
from burnish.verify.decide import Hint, TestResult, Untested
from burnish.verify.engine.joint import Proof
from burnish.verify.entry_conditions import entry_conditions
from burnish.verify.loops.invariants import check, from_json
from burnish.verify.pair import Pair
from burnish.verify.prove import prove
from burnish.verify.solve.cache import QueryCache
from burnish.verify.solve.query import Choice, Model
from burnish.verify.solve.solver import Solver, version
from burnish.verify.trials import (
    Bench,
    CannotRunError,
    GivenInput,
    PreparedOriginal,
    TestStore,
    replay_model,
    run_pair,
    run_trials,
)

_STARTS = 48
"""Inputs from which the relations between loops are learnt, at most."""


class StandardEngines:
    """See ``decide.Engines``. Solvers and the processes in which tests run are kept from pair to pair; a context
    manager. ``bound`` is how often loops are unrolled for which no invariant is found, ``tests`` how many inputs are
    tried, by ``seed``; ``smt_lib`` is a folder for the solvers' queries; ``cached`` answers, and inputs that told
    rewrites apart, are remembered from run to run. Raises ``HostError`` without the solvers that ``choice`` needs."""

    def __init__(
        self,
        choice: Choice = Choice.FIRST,
        bound: int = 8,
        *,
        tests: int = 512,
        seed: int = 0,
        smt_lib: Path | None = None,
        cached: bool = False,
    ) -> None:
        self._cache = QueryCache() if cached else None
        self._solver = Solver(choice, cache=self._cache)
        self._asked = AskedQueries(self._solver, smt_lib)
        self._bench = Bench()
        self._store = TestStore() if cached else None
        self._bound = bound
        self._tests = tests
        self._seed = seed
        self._starts: tuple[MachineState, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._solver.close()
        if self._cache is not None:
            self._cache.close()
        self._bench.close()

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        self._starts = ()
        found = run_trials(
            pair, self._bench, count=self._tests, seed=self._seed, seconds=seconds, store=self._store
        )
        self._starts = () if found.prepared is None else _starts(found.prepared)
        if found.counterexample is not None and not _is_input(pair.specification, found.counterexample):
            return Untested("inputs that meet the preconditions are not made")
        return found

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
            return check(pair, self._asked, time.monotonic() + seconds, known, assumed)
        return prove(
            pair, self._asked, timeout_s=seconds, assumed=assumed, bound=self._bound, starts=self._starts
        )

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs what a solver suspects."""
        found = replay_model(pair, model, self._bench)
        if self._store is not None and isinstance(found, Counterexample):
            self._store.add(pair.original, found)
        return found

    def confirm(self, pair: Pair, given: Counterexample) -> Counterexample | str:
        """Runs both sides on the input of a counterexample."""
        if not _is_input(pair.specification, given):
            return "the input does not meet the conditions at entry"
        return self._run(pair, GivenInput.of_counterexample(given), "the input")

    def _run(self, pair: Pair, given: GivenInput, what: str) -> Counterexample | str:
        try:
            found = run_pair(pair, given, self._bench)
        except (CannotRunError, ValueError) as error:
            return f"{what} cannot be run: {error}"
        if found.void:
            return f"{what} tells nothing: {found.void}"
        if not found.difference:
            return f"on {what} both do the same"
        return given.counterexample(
            pair.original.name, pair.original.function.address, (found.difference,), self._seed
        )

    @property
    def query_hashes(self) -> tuple[str, ...]:
        """Of the last proof."""
        return self._asked.hashes

    @property
    def solvers(self) -> Mapping[str, str]:
        """Those that are asked, with their versions."""
        return {name: version(name) for name in self._solver.pids}


def _is_input(specification: Specification, found: Counterexample) -> bool:
    """Whether an input is one that the specification speaks of."""

    def read(address: int, size: int) -> bytes:
        for region in found.memory:
            if region.address <= address and address + size <= region.end:
                return region.data[address - region.address : address - region.address + size]
        return bytes(size)

    def register(name: str) -> int:
        if name in FLAG_OFFSETS:
            return found.registers.get("eflags", 0) >> _FLAG_BITS[name] & 1
        return found.registers.get(name, 0)

    return all(condition_holds(text, register, read) for text in specification.conditions)


_FLAG_BITS = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "df": 10, "of": 11}


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
