"""Whether mutants differ from the function that they stand against: on few inputs first, on more if nothing shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.runtime.isolation import BatchResult, Executor, Limits, Status
from mutants import Mutant
from mutation_subjects import Subject
from native_inputs import inputs_for
from native_pair import Native, differences, native, run

LIMITS = Limits(execution_seconds=0.02, batch_seconds=0.5)
PATIENT = Limits(execution_seconds=30.0, batch_seconds=30.0)
"""For what did not end: a loop of 2^32 rounds does, in seconds."""
NO_END = "does not end"
_STEPS = (256, 4096)
_CHUNK = 8192
_PATIENT_INPUTS = 3


@dataclass(frozen=True, slots=True)
class Differs:
    """``what`` differs, empty where nothing did on ``inputs`` inputs; ``NO_END`` where the mutant was only too slow,
    on those numbered ``slow`` of the ``inputs`` that ``seed`` makes."""

    what: str
    inputs: int
    seed: int = 0
    slow: tuple[int, ...] = ()


def differs(
    executor: Executor,
    subject: Subject,
    side: str,
    mutants: Sequence[Mutant],
    inputs: int,
    seed: int,
    known: int = 0,
) -> list[Differs]:
    """For each mutant of one side, what differs from the other side on the same ``inputs`` states, of which on the
    first ``known`` nothing does."""
    one, two = native(subject.original, subject.function), native(subject.rewrite, subject.function)
    changed, other = (one, two) if side == "original" else (two, one)
    found: dict[int, Differs] = {}
    done = 0
    for number, step in enumerate(_steps(inputs)):
        waiting = [n for n in range(len(mutants)) if n not in found]
        if not waiting:
            break
        done += step
        if done <= known:
            continue
        states = inputs_for(subject.signature, step, seed + 1000 * number)
        (reference,) = run(executor, other, [other.code], states)
        codes = [mutants[n].applied(changed.code, changed.entry - changed.address) for n in waiting]
        for at, result in zip(waiting, run(executor, changed, codes, states), strict=True):
            sides = _ordered(side, (changed, result), (other, reference))
            rows = differences(*sides, states, subject.signature.results)
            if rows:
                found[at] = _differs(rows, sides[1][1], done, step, seed + 1000 * number)
    return [found.get(n, Differs("", inputs)) for n in range(len(mutants))]


def slow_but_equal(subject: Subject, side: str, mutant: Mutant, found: Differs) -> bool:
    """True where a mutant that was too slow ends after all when it is given time, and nothing differs then."""
    states = inputs_for(subject.signature, found.inputs, found.seed)
    one, two = native(subject.original, subject.function), native(subject.rewrite, subject.function)
    changed, other = (one, two) if side == "original" else (two, one)
    code = mutant.applied(changed.code, changed.entry - changed.address)
    with Executor(PATIENT) as executor:
        for row in found.slow[:_PATIENT_INPUTS]:
            state = states.take(slice(row, row + 1))
            (result,), (reference,) = (
                run(executor, changed, [code], state),
                run(executor, other, [other.code], state),
            )
            sides = _ordered(side, (changed, result), (other, reference))
            if differences(*sides, state, subject.signature.results):
                return False
    return True


def _ordered(
    side: str, changed: tuple[Native, BatchResult], other: tuple[Native, BatchResult]
) -> tuple[tuple[Native, BatchResult], tuple[Native, BatchResult]]:
    return (changed, other) if side == "original" else (other, changed)


def _differs(
    rows: Mapping[str, NDArray[np.bool_]], right: BatchResult, done: int, step: int, seed: int
) -> Differs:
    late = right.status == Status.TIMED_OUT
    if set(rows) == {"end"} and not (rows["end"] & ~late).any():
        return Differs(
            NO_END, step, seed, tuple(int(n) for n in np.flatnonzero(rows["end"])[:_PATIENT_INPUTS])
        )
    return Differs(", ".join(rows), done)


def _steps(inputs: int) -> list[int]:
    """Sizes of batches that make up ``inputs``."""
    sizes: list[int] = []
    while sum(sizes) < inputs:
        step = _STEPS[len(sizes)] if len(sizes) < len(_STEPS) else _CHUNK
        sizes.append(min(step, inputs - sum(sizes)))
    return sizes
