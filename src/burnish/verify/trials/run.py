"""Tests of one pair: kept inputs, given inputs and drawn ones; and the replay of what a solver suspects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product

from burnish.core.errors import HostError
from burnish.core.state import DEFAULT_MXCSR
from burnish.core.verdict import Counterexample
from burnish.machine.registers import CELLS, FLAG_OFFSETS
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model
from burnish.verify.trials.arena import objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.called import later_memory, most_results, returned_words
from burnish.verify.trials.conditions import FLAG_BITS
from burnish.verify.trials.coverage import Reaches
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.minimise import minimised
from burnish.verify.trials.native import CannotRunError
from burnish.verify.trials.prepared import PreparedOriginal, Trials
from burnish.verify.trials.single import GivenTest
from burnish.verify.trials.store import TestStore

_OBJECT, _STACK, _MEMORY, _IN_FRAME = "&", "stack ", "memory", " of the frame"
_RSP = 0x7FFD_0000_F008

_TURNS = 2
_GROWTHS = 24
"""Times that a solver's input is given more memory."""
_AROUND = 256
"""Bytes before and after an address that it lacks."""
_LOWEST, _HIGHEST = 1 << 16, (1 << 47) - (1 << 16)


def run_trials(
    pair: Pair,
    bench: Bench,
    *,
    count: int = 512,
    seed: int = 0,
    seconds: float = 2.0,
    inputs: Iterable[GivenInput] = (),
    store: TestStore | None = None,
    reaches: Reaches | None = None,
) -> Trials:
    """Runs both sides on the inputs of ``store``, on ``inputs``, and on ``count`` that are drawn for the original, in
    about ``seconds``. A counterexample is kept in ``store``, and made simple. With ``reaches``, which notes what all
    of them reach, inputs are looked for that lead further in either side.

    Never raises for what it cannot run: then there are no tests, and the result says why. Raises ``HostError`` where
    this machine cannot isolate executions.
    """
    deadline = time.monotonic() + seconds
    given = [] if store is None else [GivenInput.of_counterexample(c) for c in store.read(pair.original)]
    trials = _given_trials(pair, [*given, *inputs], bench, deadline, reaches)
    if trials.counterexample is None:
        drawn = Trials(reason="no tests were asked for")
        if count:
            left = max(0.05, deadline - time.monotonic())
            drawn = _drawn_trials(pair, bench, count, seed, left, reaches)
        trials = trials.and_then(drawn)
    found = trials.counterexample
    if found is not None:
        if store is not None:
            store.add(pair.original, found)
        found = _simple(pair, found, bench)
    reason = "" if trials.tested or found else trials.reason
    return replace(trials, counterexample=found, reason=reason)


def _drawn_trials(
    pair: Pair, bench: Bench, count: int, seed: int, seconds: float, reaches: Reaches | None
) -> Trials:
    deadline = time.monotonic() + seconds
    reach = None if reaches is None else reaches.original
    try:
        prepared = PreparedOriginal.prepare(
            pair.original,
            pair.specification,
            bench,
            count=count,
            seed=seed,
            seconds=seconds,
            rewrites=[pair.rewrite],
            reach=reach,
        )
        trials = replace(prepared.test(pair.rewrite, bench), prepared=prepared)
    except CannotRunError as error:
        return Trials(reason=f"the original cannot be run by itself: {error}")
    if reaches is None or trials.counterexample is not None:
        return trials
    try:
        left = deadline - time.monotonic()
        further = prepared.further(pair.rewrite, reaches.rewrite, bench, left).test(pair.rewrite, bench)
    except CannotRunError:
        return trials
    return trials.and_then(further)


def _given_trials(
    pair: Pair, inputs: Iterable[GivenInput], bench: Bench, deadline: float, reaches: Reaches | None
) -> Trials:
    tested = void = 0
    for given in inputs:
        if time.monotonic() > deadline:
            break
        try:
            test = GivenTest.of(pair.original, pair.specification, given, bench)
            found = test.test(pair.rewrite, bench, reaches)
        except (CannotRunError, ValueError):
            continue
        if found is not None:
            return Trials(tested, void, found)
        tested, void = (tested, void + 1) if test.void else (tested + 1, void)
    return Trials(tested, void)


def _simple(pair: Pair, found: Counterexample, bench: Bench) -> Counterexample:
    """As few numbers as tell the two apart."""
    try:
        return minimised(pair, found, bench)
    except (CannotRunError, ValueError):
        return found


def replay_model(pair: Pair, model: Model, bench: Bench) -> Counterexample | str:
    """Runs both sides on the input that a solver suspects: the counterexample where they differ, else a phrase that
    says why it is none."""
    trials = run_model(pair, model, bench)
    if trials.counterexample is not None:
        return trials.counterexample
    return trials.reason or "on the input that a solver found both do the same when they run"


def run_model(pair: Pair, model: Model, bench: Bench, reaches: Reaches | None = None) -> Trials:
    """Runs both sides on the input that a solver found; the counterexample is made simple. Where it tells nothing,
    ``reason`` says why, as a phrase."""
    trials = Trials()
    turns = min(_TURNS, max(most_results(model), 1))
    for places, turn in product((True, False), range(turns)):
        try:
            given = _of_model(pair, model, places, turn)
            test = _with_all_memory(pair, given, bench)
            found = test.test(pair.rewrite, bench, reaches)
        except (CannotRunError, ValueError, HostError) as error:
            reason = f"the input that a solver found cannot be run: {error}"
            trials = trials.and_then(Trials(reason=trials.reason or reason))
            continue
        if found is not None:
            return trials.and_then(Trials(counterexample=_simple(pair, found, bench)))
        reason = f"the input that a solver found tells nothing: {test.void}" if test.void else ""
        trials = trials.and_then(Trials(not test.void, bool(test.void), reason=reason))
    return trials


def _with_all_memory(pair: Pair, given: GivenInput, bench: Bench) -> GivenTest:
    """The test of an input with the memory that it lacks. Raises as ``GivenTest.of`` does."""
    test = GivenTest.of(pair.original, pair.specification, given, bench)
    before = 0
    for _ in range(_GROWTHS):
        if test.wants == before or not _LOWEST <= test.wants < _HIGHEST:
            break
        before = test.wants
        # A model says what is read first: what lies where the code goes from there may be anything.
        given = _with_memory(given, test.wants)
        test = GivenTest.of(pair.original, pair.specification, given, bench)
    return test


def _of_model(pair: Pair, model: Model, honoured: bool, turn: int) -> GivenInput:
    """A model of the entry state. Objects lie where the model has them, or (not ``honoured``) where there is room. What
    it says of calls comes true as far as that is possible, in another way with each ``turn``."""
    values = model.variables
    registers = {name: values[name] for name in CELLS if name in values and name not in FLAG_OFFSETS}
    registers.setdefault("rsp", _RSP)
    registers["eflags"] = sum(
        (values.get(name, 0) & 1) << bit for name, bit in FLAG_BITS.items() if name != "df"
    )
    registers["mxcsr"] = DEFAULT_MXCSR
    # A model may name addresses that are read on other paths only, where nothing can be mapped.
    octets = {**later_memory(model), **model.memories.get(_MEMORY, {})}
    octets = {a: v for a, v in octets.items() if _LOWEST <= a < _HIGHEST}
    octets.update(returned_words(pair, model, turn))
    named = {name.removeprefix(_OBJECT): value for name, value in values.items() if name.startswith(_OBJECT)}
    # Locals lie in the frame, wherever each side has them.
    places = {name: value for name, value in named.items() if not name.endswith(_IN_FRAME)}
    rsp = registers["rsp"]
    for offset in range(8, 8 + pair.specification.stack_bytes, 8):
        word = values.get(f"{_STACK}{offset}", 0)
        octets.update({rsp + offset + k: word >> 8 * k & 0xFF for k in range(8)})
    octets.update({rsp + k: 0 for k in range(8)})
    _complete_objects(pair, octets, places)
    if honoured:
        return GivenInput.of_model(registers, octets, places)
    found = GivenInput.of_model(registers, _apart(pair, octets, places))
    return replace(found, places={})


def _with_memory(given: GivenInput, address: int) -> GivenInput:
    """The input with zeros around an address that it lacks."""
    octets = {region.address + k: byte for region in given.memory for k, byte in enumerate(region.data)}
    for at in range(max(address - _AROUND, _LOWEST), min(address + _AROUND, _HIGHEST)):
        octets.setdefault(at, 0)
    return GivenInput.of_model(given.registers, octets, given.places)


def _complete_objects(pair: Pair, octets: dict[int, int], places: Mapping[str, int]) -> None:
    """Variables are there as a whole: bytes that the model does not say are 0. Constants are not part of an input."""
    for side in (pair.original, pair.rewrite):
        for thing in objects_of(side):
            start = places.get(thing.name)
            if start is None or thing.size > 1 << 20:
                continue
            for address in range(start, start + thing.size):
                if thing.data is None:
                    octets.setdefault(address, 0)
                else:
                    octets.pop(address, None)


def _apart(pair: Pair, octets: Mapping[int, int], places: Mapping[str, int]) -> dict[int, int]:
    """Memory without that of the objects."""
    sizes = {thing.name: thing.size for side in (pair.original, pair.rewrite) for thing in objects_of(side)}
    spans = [(start, start + sizes.get(name, 1)) for name, start in places.items()]
    return {a: v for a, v in octets.items() if not any(start <= a < end for start, end in spans)}
