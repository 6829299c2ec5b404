"""An original that was run once on many inputs, and against which rewrites are tested."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from burnish.core.specification import Specification
from burnish.core.verdict import Counterexample
from burnish.runtime.batch import BatchResult, StateBatch
from burnish.runtime.isolation import RETURNING
from burnish.verify.pair import Side
from burnish.verify.trials.arena import Arena, objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.calls import Calls, stubbed
from burnish.verify.trials.changes import Changes
from burnish.verify.trials.coverage import Reach, Reaches
from burnish.verify.trials.discovery import discover
from burnish.verify.trials.draw import concatenate, draw
from burnish.verify.trials.drawn import Runner, Tests, cut, draw_inputs, first_shape, in_pairs
from burnish.verify.trials.guided import Guide, Subject
from burnish.verify.trials.native import CannotRunError, NativeCode, transplant
from burnish.verify.trials.outcome import computes_with_floats
from burnish.verify.trials.shape import Area, Shape
from burnish.verify.trials.stubs import RESULTS
from burnish.verify.trials.tester import Setting, Tester
from burnish.verify.trials.values import Source, Words, pool_of

_DISCOVERY_S = 0.5
_GUIDED_S, _GUIDED_SHARE = 1.0, 0.5
"""For inputs that lead further, at most; and of the time that is left."""
_NOTED_S = 0.3
"""For noting what drawn inputs reach, if there is no more time."""
_SEEDS = 256
"""States that inputs which lead further are made of, at first."""
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

    def and_then(self, other: Trials) -> Trials:
        """Both together; the reason is the last one's."""
        return Trials(
            self.tested + other.tested,
            self.void + other.void,
            self.counterexample or other.counterexample,
            other.reason,
            other.prepared or self.prepared,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedOriginal:
    """Inputs for a function, and what it makes of them. Rows ``2k`` and ``2k + 1`` of the states of ``stages`` are one
    input with different contents of what is no argument."""

    setting: Setting
    native: NativeCode
    runner: Runner
    changes: Changes
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
        reach: Reach | None = None,
    ) -> PreparedOriginal:
        """Finds memory and ``count`` inputs for ``side``, in about ``seconds``, and with ``reach`` those that lead
        where these do not lead. Constants in the code of ``rewrites`` are among the values that are tried. Raises
        ``CannotRunError``."""
        deadline = time.monotonic() + seconds
        source = np.random.default_rng(seed)
        changes = Changes.of([side, *rewrites], pool_of([side, *rewrites]))
        found = _Preparation.of(side, specification, bench)
        runner = found.runner(found.discovered(source, changes.pool, min(_DISCOVERY_S, seconds)))
        guide: Guide | None = None
        if reach is not None:
            subject = Subject(found.native, reach, RETURNING, runner, widen=found.runner)
            guide = Guide(subject, changes, bench, source)
            guide.look(draw(runner.shape, _SEEDS, source, changes.pool), _until(deadline))
            runner = subject.runner
        count = max(1, min(count, _MOST_BYTES // (4 * runner.shape.size)))
        first, void = draw_inputs(runner, source, changes.pool, count, deadline)
        inputs = [] if first is None else [first]
        if guide is not None:
            inputs += guide.found
            if first is not None:
                guide.subject.reach.deadline = max(deadline, time.monotonic() + _NOTED_S)
                guide.watch(first)
        setting = found.setting(runner, seed)
        return cls.with_tests(setting, found.native, runner, changes, inputs, void, source)

    @classmethod
    def with_tests(
        cls,
        setting: Setting,
        native: NativeCode,
        runner: Runner,
        changes: Changes,
        inputs: Sequence[StateBatch],
        void: int,
        source: Source,
    ) -> PreparedOriginal:
        """The original, with tests of ``inputs``, on which it returns."""
        tests = [in_pairs(runner, states, source) for states in inputs]
        void += sum(one.void if isinstance(one, Tests) else one for one in tests)
        stages = tuple(stage for one in tests if isinstance(one, Tests) for stage in cut(one))
        return cls(setting, native, runner, changes, stages, void)

    def note(self, reaches: Reaches, rewrite: Side) -> None:
        """Notes in ``reaches`` what the tests reach of the original and of a rewrite. Raises ``CannotRunError``."""
        tester = Tester(self.setting, rewrite, self.runner.bench)
        sides = (
            (reaches.original, self.native, self.runner.whole),
            (reaches.rewrite, tester.native, tester.whole),
        )
        for states, _ in self.stages:
            for reach, native, whole in sides:
                placement = self.setting.placement
                reach.watch(native, whole(states), self.runner.bench, placement, lambda rows: rows >= 0)

    def further(self, rewrite: Side, reach: Reach, bench: Bench, seconds: float) -> PreparedOriginal:
        """The original with tests that lead where these do not lead in a rewrite, as far as they are found in about
        ``seconds``. Raises ``CannotRunError``."""
        source = np.random.default_rng(self.setting.seed)
        tester = Tester(self.setting, rewrite, bench)
        subject = Subject(tester.native, reach, self.setting.placement, self.runner, tester.whole)
        guide = Guide(subject, self.changes, bench, source)
        if self.stages:
            seeds = concatenate([states for states, _ in self.stages])
        else:
            seeds = draw(self.runner.shape, _SEEDS, source, self.changes.pool)
        guide.look(seeds, _until(time.monotonic() + seconds))
        found = guide.found
        return self.with_tests(self.setting, self.native, self.runner, self.changes, found, 0, source)

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


@dataclass(frozen=True, slots=True, eq=False)
class _Preparation:
    """What is known of an original before any input is."""

    side: Side
    specification: Specification
    bench: Bench
    arena: Arena
    calls: Calls
    native: NativeCode
    shape: Shape

    @classmethod
    def of(cls, side: Side, specification: Specification, bench: Bench) -> _Preparation:
        arena = Arena().with_objects(objects_of(side))
        shape = first_shape(side, specification, arena)
        calls = Calls.of(stubbed(side), shape.rsp, specification.stack_bytes)
        if calls.callees:
            results = Area(RESULTS + calls.results_size, calls.results_size, name="what calls return")
            shape = replace(shape, calls=True, areas=(*shape.areas, results))
        native = transplant(side, arena, calls.addresses)
        return cls(side, specification, bench, arena, calls, native, shape)

    def discovered(self, source: Source, pool: Words, seconds: float) -> Shape:
        """The memory that it mostly needs."""
        unwatched = (*self.arena.constant_windows(), *self.calls.windows(()))
        return discover(self.native.data, self.shape, unwatched, self.bench, source, pool, seconds)

    def runner(self, shape: Shape) -> Runner:
        """Runs it in memory of that shape."""
        windows = self.calls.windows(_watched(shape, self.specification))
        constants = (*self.arena.constant_windows(), *windows)
        return Runner(self.native.data, shape, constants, self.bench, self.specification)

    def setting(self, runner: Runner, seed: int) -> Setting:
        """What its rewrites are run in."""
        shape = runner.shape
        return Setting(
            self.side,
            self.specification,
            self.arena,
            self.calls,
            shape.rsp,
            shape.below,
            runner.constants,
            seed,
            computes_with_floats(self.side),
        )


def _until(deadline: float) -> float:
    """Until when inputs that lead further are looked for, so that time is left for others."""
    now = time.monotonic()
    return now + min(_GUIDED_S, _GUIDED_SHARE * max(deadline - now, 0.0))


def _watched(shape: Shape, specification: Specification) -> list[tuple[int, int]]:
    """Memory that callees might look at, if memory counts at all."""
    return [(area.start, area.size) for area in shape.areas] if specification.memory else []
