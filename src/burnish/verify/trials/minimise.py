"""Makes a counterexample easier to read: zeros wherever the two functions still differ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from burnish.core.state import MemoryRegion
from burnish.core.verdict import Counterexample
from burnish.verify.pair import Pair
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.single import run_pair

_FIXED = ("rsp", "rip", "mxcsr", "fs_base")
_SMALLEST = 8


def minimised(
    pair: Pair, counterexample: Counterexample, bench: Bench, seconds: float = 0.2
) -> Counterexample:
    """The counterexample with registers and runs of memory set to zero, as far as the two functions still differ and
    ``seconds`` last. Unchanged where it cannot be replayed. Raises as ``run_pair`` does."""
    deadline = time.monotonic() + seconds
    best = GivenInput.of_counterexample(counterexample)
    sentence = run_pair(pair, best, bench).difference
    if not sentence:
        return counterexample
    for part in _parts(best):
        best, sentence = _without(pair, best, sentence, part, bench, deadline)
    return best.counterexample(
        counterexample.function, counterexample.address, (sentence,), counterexample.seed
    )


@dataclass(frozen=True, slots=True)
class Octets:
    """Bytes ``start`` … ``end`` of the region of that index."""

    index: int
    start: int
    end: int


Part = tuple[str, ...] | Octets
"""Registers, or bytes of a region."""


def _parts(given: GivenInput) -> Iterator[Part]:
    yield tuple(name for name, value in given.registers.items() if value and name not in _FIXED)
    for index, region in enumerate(given.memory):
        yield Octets(index, 0, len(region.data))


def _without(
    pair: Pair, best: GivenInput, sentence: str, part: Part, bench: Bench, deadline: float
) -> tuple[GivenInput, str]:
    """The input with as much of a part zero as can be, and what differs then."""
    candidate = _zeroed(best, part)
    if candidate == best or time.monotonic() > deadline:
        return best, sentence
    found = run_pair(pair, candidate, bench).difference
    if found:
        return candidate, found
    for half in _halves(part):
        best, sentence = _without(pair, best, sentence, half, bench, deadline)
    return best, sentence


def _halves(part: Part) -> tuple[Part, ...]:
    match part:
        case Octets(index, start, end):
            middle = (start + end) // 2 & -_SMALLEST
            halves = Octets(index, start, middle), Octets(index, middle, end)
            return halves if start < middle < end else ()
        case _:
            middle = len(part) // 2
            return (part[:middle], part[middle:]) if middle else ()


def _zeroed(given: GivenInput, part: Part) -> GivenInput:
    match part:
        case Octets(index, start, end):
            region = given.memory[index]
            data = region.data[:start] + bytes(end - start) + region.data[end:]
            memory = list(given.memory)
            memory[index] = MemoryRegion(region.address, data, region.access)
            return replace(given, memory=tuple(memory))
        case _:
            return replace(given, registers={**given.registers, **dict.fromkeys(part, 0)})
