"""Runs both sides of a pair on one given input: replay of counterexamples, captured entries, models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from signal import SIGSEGV

import numpy as np

from burnish.core.image import Access
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
from burnish.verify.pair import Pair
from burnish.verify.trials.arena import Arena, objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.calls import Calls, stubbed
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.native import CannotRunError, bodies_by_name, transplant
from burnish.verify.trials.outcome import View, computes_with_floats, first_difference
from burnish.verify.trials.shape import PAGE
from burnish.verify.trials.stubs import LEDGER, LEDGER_SIZE, LITTER, LITTER_SIZE, RESULTS

_STEP = 1 << 16
_DEEPEST = 1 << 20
_REACH = 1 << 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What both sides did on one input: ``difference`` is a sentence, empty where they did the same. Where ``void``
    is a phrase, the input tells nothing, and that is why."""

    difference: str = ""
    void: str = ""


def run_pair(pair: Pair, given: GivenInput, bench: Bench) -> Outcome:
    """Runs both sides on one input. Raises ``CannotRunError``, and ``ValueError`` for memory that overlaps or cannot
    be mapped."""
    trial = _Trial(pair, given, bench)
    one, states, depth = trial.run(trial.original)
    if one.status[0] != Status.FINISHED:
        return Outcome(void="the original does not return")
    other, states, deeper = trial.run(trial.rewrite)
    view = View.of(
        pair.specification,
        states,
        int(states.gpr[0, 4]),
        max(depth, deeper, _DEEPEST),
        floats=computes_with_floats(pair.original),
    )
    return Outcome(first_difference(view, one, other, 0))


def replay(pair: Pair, counterexample: Counterexample, bench: Bench) -> bool:
    """True if the two functions differ on the input of a counterexample when they run. Raises as ``run_pair`` does."""
    return bool(run_pair(pair, GivenInput.of_counterexample(counterexample), bench).difference)


class _Trial:
    def __init__(self, pair: Pair, given: GivenInput, bench: Bench) -> None:
        self._bench = bench
        self._given = given
        objects = [*objects_of(pair.original), *objects_of(pair.rewrite)]
        self._arena = Arena().with_objects(objects, given.places)
        address, back = _code_place(given)
        self._placement = Placement(address, back)
        callees = {callee.name: callee for side in (pair.original, pair.rewrite) for callee in stubbed(side)}
        one_sided = callees.keys() & (
            bodies_by_name(pair.original).keys() | bodies_by_name(pair.rewrite).keys()
        )
        if one_sided:
            raise CannotRunError(f"calls {min(one_sided)}, of which only one side has the code")
        rsp, extent = given.registers.get("rsp", 0), pair.specification.stack_bytes
        own = {callee.name for callee in stubbed(pair.original)}
        # The original's first, so that they return the same words as when the input was found.
        ordered = sorted(callees.values(), key=lambda callee: (callee.name not in own, callee.name))
        calls = Calls.of(ordered, rsp, extent, back)
        self.original = transplant(pair.original, self._arena, calls.addresses, address).data
        self.rewrite = transplant(pair.rewrite, self._arena, calls.addresses, address).data
        self._objects = [*_missing_objects(self._arena, given), *_stub_memory(calls, pair, given)]

    def run(self, code: bytes) -> tuple[BatchResult, StateBatch, int]:
        """What one side leaves, with what it started from and the bytes of stack that were added below."""
        depth = 0
        while True:
            states = self._states(depth)
            result = self._bench.run(code, states, self._placement, patiently=True)
            low = self._lowest(depth)
            wants = int(result.address[0])
            stopped = result.status[0] == Status.FAULTED and result.number[0] == SIGSEGV
            if not stopped or not low - _DEEPEST <= wants < low or depth >= _DEEPEST:
                return result, states, depth
            depth = min(_DEEPEST, max(2 * depth, _STEP, -(-(low - wants) // PAGE) * PAGE))

    def _lowest(self, depth: int) -> int:
        return self._stack_start() - depth

    def _stack_start(self) -> int:
        rsp = self._given.registers.get("rsp", 0)
        for region in self._given.memory:
            if region.address <= rsp < region.end:
                return region.address
        return rsp & -16

    def _states(self, depth: int) -> StateBatch:
        states = self._given.states()
        windows = [*states.windows, *self._objects]
        if depth:
            garbage = np.full(depth, 0x5A, np.uint8)
            windows.append(Window(self._lowest(depth), garbage, observed=False))
        return replace(states, windows=tuple(windows))


def _missing_objects(arena: Arena, given: GivenInput) -> list[Window]:
    """Windows for the objects of which the input does not have the memory."""
    found: list[Window] = []
    for thing in (*arena.constant, *arena.writable):
        address = arena.addresses[thing.name]
        if any(
            region.address < address + max(thing.size, 1) and address < region.end for region in given.memory
        ):
            continue
        data = thing.data or bytes(max(thing.size, 1))
        access = Access.READ if thing.data is not None else Access.READ | Access.WRITE
        found.append(Window(address, np.frombuffer(data, np.uint8), access))
    return found


def _stub_memory(calls: Calls, pair: Pair, given: GivenInput) -> list[Window]:
    """What stubs need and the input has not."""
    if not calls.callees:
        return []
    rsp = given.registers.get("rsp", 0)
    watched = [
        (region.address, len(region.data))
        for region in given.memory
        if pair.specification.memory
        and Access.WRITE in region.access
        and region.address not in (LEDGER, LITTER)
        and not region.address - _DEEPEST <= rsp < region.end
    ]
    found = calls.windows(watched)
    for address, size in ((LITTER, LITTER_SIZE), (LEDGER, LEDGER_SIZE), (RESULTS, calls.results_size)):
        held = [region for region in given.memory if region.address == address]
        have = len(held[0].data) if held else 0
        if have < size:
            data = np.arange(size - have).astype(np.uint8) if address == RESULTS else np.zeros(size, np.uint8)
            found.append(Window(address + have, data))
    return found


def _code_place(given: GivenInput) -> tuple[int, int]:
    """Where the code and the return address go: within reach of the objects, apart from all memory."""
    places: Mapping[str, int] = given.places
    near = min(places.values(), default=DEFAULT_CODE_ADDRESS)
    back = DEFAULT_RETURN_ADDRESS
    taken = sorted((region.address, region.end) for region in given.memory)
    address = DEFAULT_CODE_ADDRESS
    if abs(near - address) > _REACH:
        address = (near & -PAGE) - (_REACH // 2)
    return _free(taken, address), _free(taken, back)


def _free(taken: list[tuple[int, int]], address: int) -> int:
    """The first place from ``address`` on that is some pages away from all that is taken."""
    room = 64 * PAGE
    for start, end in taken:
        if start - room < address < end + room:
            address = (end + 2 * room) & -PAGE
    return address
