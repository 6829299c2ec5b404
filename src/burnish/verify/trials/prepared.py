"""An original that was run once on many inputs, and against which rewrites are tested."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from burnish.core.specification import Specification
from burnish.core.verdict import Counterexample
from burnish.runtime.batch import BatchResult, StateBatch
from burnish.verify.pair import Side
from burnish.verify.trials.arena import Arena, objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.calls import Calls, stubbed
from burnish.verify.trials.discovery import discover
from burnish.verify.trials.drawn import cut, draw_tests, first_shape
from burnish.verify.trials.native import CannotRunError, transplant
from burnish.verify.trials.outcome import computes_with_floats
from burnish.verify.trials.shape import Area, Shape
from burnish.verify.trials.stubs import RESULTS
from burnish.verify.trials.tester import Setting, Tester
from burnish.verify.trials.values import pool_of

_DISCOVERY_S = 0.5
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Trials:
    """``tested`` inputs on which both did the same; ``void`` ones that tell nothing, since the original does not
    return or its results depend on what was left in registers and on the stack. ``reason`` says why there are no
    tests where there are none, as a phrase. ``prepared`` are the inputs that were drawn, if it came to that."""

    tested: int = 0
    void: int = 0
    counterexample: Counterexample | None = None
    reason: str = ""
    prepared: PreparedOriginal | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedOriginal:
    """Inputs for a function, and what it makes of them. Rows ``2k`` and ``2k + 1`` of the states of ``stages`` are one
    input with different contents of what is no argument."""

    setting: Setting
    shape: Shape
    stages: tuple[tuple[StateBatch, BatchResult], ...] = field(repr=False)
    void: int

    @property
    def tests(self) -> int:
        """Inputs."""
        return sum(len(states) for states, _ in self.stages) // 2

    @classmethod
    def prepare(
        cls,
        side: Side,
        specification: Specification,
        bench: Bench,
        *,
        count: int = 512,
        seed: int = 0,
        seconds: float = 2.0,
        rewrites: Sequence[Side] = (),
    ) -> PreparedOriginal:
        """Finds memory and ``count`` inputs for ``side``, in about ``seconds``. Constants in the code of ``rewrites``
        are among the values that are tried. Raises ``CannotRunError``."""
        deadline = time.monotonic() + seconds
        arena = Arena().with_objects(objects_of(side))
        shape = first_shape(side, specification, arena)
        calls = Calls.of(stubbed(side), shape.rsp, specification.stack_bytes)
        if calls.callees:
            results = Area(RESULTS + calls.results_size, calls.results_size, name="what calls return")
            shape = replace(shape, calls=True, areas=(*shape.areas, results))
        code = transplant(side, arena, calls.addresses).data
        source = np.random.default_rng(seed)
        pool = pool_of([side, *rewrites])
        constants = tuple(arena.constant_windows())
        unwatched = (*constants, *calls.windows(()))
        shape = discover(code, shape, unwatched, bench, source, pool, min(_DISCOVERY_S, seconds))
        constants = (*constants, *calls.windows(_watched(shape, specification)))
        count = max(1, min(count, _MOST_BYTES // (4 * shape.size)))
        states, result, void = draw_tests(
            code, shape, constants, bench, source, pool, specification, count, deadline
        )
        setting = Setting(
            side,
            specification,
            arena,
            calls,
            shape.rsp,
            shape.below,
            constants,
            seed,
            computes_with_floats(side),
        )
        return cls(setting, shape, tuple(cut(states, result)), void)

    def test(self, rewrite: Side, bench: Bench) -> Trials:
        """Runs a rewrite on the inputs, until it differs."""
        if not self.stages:
            return Trials(0, self.void, None, "the original does not return on any input that was tried")
        try:
            tester = Tester(self.setting, rewrite, bench)
        except CannotRunError as error:
            return Trials(0, self.void, None, f"the rewrite cannot be run by itself: {error}")
        tested = 0
        for states, expected in self.stages:
            found = tester.run(states, expected)
            if found is not None:
                return Trials(tested // 2, self.void, found)
            tested += len(states)
        loose = -(-tester.unsettled // 2)
        return Trials(tested // 2 - loose, self.void + loose)


def _watched(shape: Shape, specification: Specification) -> list[tuple[int, int]]:
    """Memory that callees might look at, if memory counts at all."""
    return [(area.start, area.size) for area in shape.areas] if specification.memory else []
