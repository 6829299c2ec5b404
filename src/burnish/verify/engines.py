"""The engines that verdicts are made with: native tests, and proof by the solvers."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from burnish.core.verdict import Counterexample
from burnish.verify.decide import TestResult, Untested
from burnish.verify.engine.joint import Proof
from burnish.verify.entry_conditions import entry_conditions
from burnish.verify.pair import Pair
from burnish.verify.prove import prove
from burnish.verify.solve.query import Choice, Model
from burnish.verify.solve.solver import Solver, version


class StandardEngines:
    """See ``decide.Engines``. Solvers are kept from pair to pair; a context manager. ``bound`` is how often loops are
    unrolled for which no invariant is found. Raises ``HostError`` without the solvers that ``choice`` needs."""

    def __init__(self, choice: Choice = Choice.FIRST, bound: int = 8) -> None:
        self._solver = Solver(choice)
        self._bound = bound

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._solver.close()

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        return Untested("it was not tested")

    def prove(self, pair: Pair, seconds: float) -> Proof:
        """Looks for a proof. Raises ``UsageError`` for conditions that are none."""
        assumed = entry_conditions(pair.specification)
        return prove(pair, self._solver, timeout_s=seconds, assumed=assumed, bound=self._bound)

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs what a solver suspects."""
        return "the input that a solver found was not run"

    @property
    def solvers(self) -> Mapping[str, str]:
        """Those that are asked, with their versions."""
        return {name: version(name) for name in self._solver.pids}
