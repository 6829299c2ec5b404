"""Tests on given inputs: captured entries, counterexamples of before, what a solver suspects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from signal import SIGSEGV

import numpy as np

from burnish.core.image import Access
from burnish.core.specification import Specification
from burnish.core.verdict import Counterexample
from burnish.runtime.batch import (
    DEFAULT_CODE_ADDRESS,
    DEFAULT_RETURN_ADDRESS,
    BatchResult,
    Placement,
    StateBatch,
    Status,
    Window,
)
from burnish.verify.pair import Pair, Side
from burnish.verify.trials.arena import Arena, objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.calls import Calls, stubbed
from burnish.verify.trials.conditions import holds
from burnish.verify.trials.coverage import Reaches
from burnish.verify.trials.garbage import depends_on_garbage
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.moved import free_address
from burnish.verify.trials.native import NativeCode, transplant
from burnish.verify.trials.outcome import computes_with_floats
from burnish.verify.trials.shape import PAGE
from burnish.verify.trials.stubs import LEDGER, LEDGER_SIZE, LITTER, LITTER_SIZE, RESULTS
from burnish.verify.trials.tester import DEEPEST_STACK, Setting, Tester, deepened, deeper

_REACH = 1 << 30
_BELOW = 256


@dataclass(frozen=True, slots=True, eq=False)
class GivenTest:
    """A given input, and what the original makes of it. ``void`` is a phrase where that tells nothing; ``wants`` is the
    address that the original could not access where that is the reason."""

    setting: Setting
    native: NativeCode
    states: StateBatch
    expected: BatchResult
    void: str = ""
    wants: int | None = None
    given: GivenInput = field(default_factory=GivenInput, repr=False)

    @classmethod
    def of(cls, side: Side, specification: Specification, given: GivenInput, bench: Bench) -> GivenTest:
        """Runs the original. Raises ``CannotRunError``, and ``ValueError`` for memory that overlaps or cannot be
        mapped."""
        arena = Arena().with_objects(objects_of(side), given.places)
        placement = _code_place(given)
        rsp = given.registers.get("rsp", 0)
        back = DEFAULT_RETURN_ADDRESS if placement.return_address is None else placement.return_address
        calls = Calls.of(stubbed(side), rsp, specification.stack_bytes, back)
        native = transplant(side, arena, calls.addresses, placement.address)
        states = _with_stack(given, rsp)
        windows = [
            replace(window, observed=False) if window.address == LITTER else window
            for window in states.windows
        ]
        windows += _missing_objects(arena, given)
        constants = [
            Window(window.address, window.contents, window.access)
            for window in arena.constant_windows()
            if not _has(given, window.address, window.end)
        ]
        changed = any(_changes(given, window) for window in arena.constant_windows())
        if calls.callees:
            windows += _stub_memory(calls, given)
            constants += calls.windows(_watched(given, specification, rsp))
        states = replace(states, windows=tuple(windows))
        void = "" if holds(specification, states, 0) else "it does not meet the conditions at entry"
        states, result = _run(native.data, states, constants, placement, rsp, bench)
        if changed:
            void = "it has something else where constants of the file are"
        elif result.status[0] != Status.FINISHED:
            void = "the original does not return on it"
        elif depends_on_garbage(native.data, states, constants, placement, result, specification, rsp, bench):
            void = "what the original does depends on what was left in registers and on the stack"
        faulted = result.status[0] == Status.FAULTED and result.number[0] == SIGSEGV
        wants = int(result.address[0]) if faulted else None
        setting = Setting(
            side,
            specification,
            arena,
            calls,
            rsp,
            states.windows[0].size,
            tuple(constants),
            0,
            computes_with_floats(side),
            placement,
            given.source,
        )
        return cls(setting, native, states, result, void, wants, given)

    @property
    def jumped(self) -> bool:
        """True where the original could not run what is at that address."""
        return self.wants is not None and self.wants == int(self.expected.rip[0])

    def test(self, rewrite: Side, bench: Bench, reaches: Reaches | None = None) -> Counterexample | None:
        """Runs a rewrite; notes in ``reaches`` what the input reaches. Raises as ``of`` does."""
        if self.void:
            return None
        tester = Tester(self.setting, rewrite, bench)
        if reaches is not None:
            whole = replace(self.states, windows=(*self.states.windows, *self.setting.constants))
            for reach, native, states in (
                (reaches.original, self.native, whole),
                (reaches.rewrite, tester.native, tester.whole(self.states)),
            ):
                reach.watch(native, states, bench, self.setting.placement, lambda rows: rows >= 0)
        return tester.run(self.states, self.expected)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What both sides did on one input: ``difference`` is a sentence, empty where they did the same. Where ``void``
    is a phrase, the input tells nothing, and that is why."""

    difference: str = ""
    void: str = ""


def run_pair(pair: Pair, given: GivenInput, bench: Bench) -> Outcome:
    """Runs both sides on one input. Raises ``CannotRunError``, and ``ValueError`` for memory that overlaps or cannot
    be mapped."""
    test = GivenTest.of(pair.original, pair.specification, given, bench)
    found = test.test(pair.rewrite, bench)
    return Outcome("" if found is None else found.differing[0], test.void)


def replay(pair: Pair, counterexample: Counterexample, bench: Bench) -> bool:
    """True if the two functions differ on the input of a counterexample when they run. Raises as ``run_pair`` does."""
    return bool(run_pair(pair, GivenInput.of_counterexample(counterexample), bench).difference)


def _run(
    code: bytes,
    states: StateBatch,
    constants: Sequence[Window],
    placement: Placement,
    rsp: int,
    bench: Bench,
) -> tuple[StateBatch, BatchResult]:
    """What the original leaves, and the states with as much stack as it needs."""
    while True:
        whole = replace(states, windows=(*states.windows, *constants))
        result = bench.run(code, whole, placement, patiently=True)
        wanted = deeper(result, rsp, states.windows[0].size)
        if not wanted:
            return states, result
        states = replace(states, windows=(deepened(states.windows[0], wanted), *states.windows[1:]))


def _with_stack(given: GivenInput, rsp: int) -> StateBatch:
    """The input with its stack in two windows that come first, below the stack pointer and from there on."""
    states = given.states()
    at = next((w for w in states.windows if w.address <= rsp < w.end and Access.WRITE in w.access), None)
    others = [window for window in states.windows if window is not at]
    size = 0 if at is None else rsp - at.address
    if size:
        assert at is not None
        dead = Window(at.address, at.contents[:size], observed=False)
        others = [w for w in others if w.end != at.address or not _is_dead(w, rsp)]
    else:
        joined = next((w for w in others if w.end == rsp and _is_dead(w, rsp)), None)
        others = [window for window in others if window is not joined]
        room = min((rsp - w.end for w in others if w.end <= rsp), default=_BELOW)
        dead = joined or Window(rsp - _BELOW, np.full(_BELOW, 0x5A, np.uint8))
        if joined is None and room < _BELOW:
            raise ValueError("there is no room for a stack below the stack pointer")
        dead = replace(dead, observed=False)
    live = Window(rsp, np.zeros(8, np.uint8)) if at is None else Window(rsp, at.contents[size:])
    return replace(states, windows=(dead, live, *others))


def _is_dead(window: Window, rsp: int) -> bool:
    return rsp - DEEPEST_STACK <= window.address and window.end <= rsp and Access.WRITE in window.access


def _has(given: GivenInput, start: int, end: int) -> bool:
    return any(region.address < end and start < region.end for region in given.memory)


def _changes(given: GivenInput, window: Window) -> bool:
    """True where an input has other bytes than a constant object, or some that can be written."""
    for region in given.memory:
        low, high = max(region.address, window.address), min(region.end, window.end)
        if low >= high:
            continue
        held = window.contents[low - window.address : high - window.address].tobytes()
        if Access.WRITE in region.access or held != region.data[low - region.address : high - region.address]:
            return True
    return False


def _missing_objects(arena: Arena, given: GivenInput) -> list[Window]:
    """Windows for the variables of which the input does not have the memory."""
    found: list[Window] = []
    for thing in arena.writable:
        address = arena.addresses[thing.name]
        size = max(thing.size, 1)
        if not _has(given, address, address + size):
            found.append(Window(address, np.zeros(size, np.uint8)))
    return found


def _watched(given: GivenInput, specification: Specification, rsp: int) -> list[tuple[int, int]]:
    if not specification.memory:
        return []
    return [
        (region.address, len(region.data))
        for region in given.memory
        if Access.WRITE in region.access
        and region.address not in (LEDGER, LITTER)
        and not region.address - DEEPEST_STACK <= rsp < region.end
        and not rsp - DEEPEST_STACK <= region.address < rsp
    ]


def _stub_memory(calls: Calls, given: GivenInput) -> list[Window]:
    """What stubs need and the input has not."""
    found: list[Window] = []
    for address, size in ((LITTER, LITTER_SIZE), (LEDGER, LEDGER_SIZE), (RESULTS, calls.results_size)):
        have = next((len(region.data) for region in given.memory if region.address == address), 0)
        if have < size:
            data = np.arange(have, size).astype(np.uint8) if address == RESULTS else np.zeros(size, np.uint8)
            found.append(Window(address + have, data, observed=address != LITTER))
    return found


def _code_place(given: GivenInput) -> Placement:
    """Where the code and the return address go: within reach of the objects, apart from all memory."""
    near = min(given.places.values(), default=DEFAULT_CODE_ADDRESS)
    taken = sorted((region.address, region.end) for region in given.memory)
    address = DEFAULT_CODE_ADDRESS
    if abs(near - address) > _REACH:
        address = max((near & -PAGE) - _REACH // 2, DEFAULT_CODE_ADDRESS)
    return Placement(free_address(taken, address), free_address(taken, DEFAULT_RETURN_ADDRESS))
