"""Tests of one pair: kept inputs, given inputs and drawn ones; and the replay of what a solver suspects."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from burnish.core.errors import HostError
from burnish.core.verdict import Counterexample
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.called import TURNS, most_results
from burnish.verify.trials.coverage import Reaches
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.minimise import minimised
from burnish.verify.trials.models import bare_test, complete_test, input_of
from burnish.verify.trials.native import CannotRunError
from burnish.verify.trials.prepared import PreparedOriginal, Trials
from burnish.verify.trials.single import GivenTest
from burnish.verify.trials.store import TestStore

_REPLAY_S = 0.4
"""For what one input lacks."""


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


def run_model(
    pair: Pair,
    model: Model,
    bench: Bench,
    reaches: Reaches | None = None,
    seconds: float = _REPLAY_S,
) -> Trials:
    """Runs both sides on the input that a solver found; the counterexample is made simple. Where it tells nothing,
    ``reason`` says why, as a phrase. What the input lacks is looked for in about ``seconds``."""
    deadline = time.monotonic() + seconds
    trials = Trials()
    named = False
    turns = TURNS if most_results(model) > 1 else 1
    for places, turn in product((True, False), range(turns)):
        try:
            given = input_of(pair, model, places, turn)
            if not places and not named:
                continue  # the same input again
            named = named or bool(given.given.places)
            test = complete_test(pair, given, bench, deadline)
            found = test.test(pair.rewrite, bench, reaches)
            if found is None and not test.void and (bare := bare_test(pair, test, bench)) is not None:
                found = bare.test(pair.rewrite, bench)
        except (CannotRunError, ValueError, HostError) as error:
            reason = f"the input that a solver found cannot be run: {error}"
            trials = trials.and_then(Trials(reason=trials.reason or reason))
            continue
        if found is not None:
            return trials.and_then(Trials(counterexample=_simple(pair, found, bench)))
        reason = f"the input that a solver found tells nothing: {test.void}" if test.void else ""
        trials = trials.and_then(Trials(not test.void, bool(test.void), reason=reason))
    return trials
