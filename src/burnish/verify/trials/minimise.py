"""Makes a counterexample easier to read: zeros wherever the two functions still differ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

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


Part = str | tuple[int, int, int]
"""A register, or bytes of a region: its index, start and end."""


def _parts(given: GivenInput) -> Iterator[Part]:
    for name, value in given.registers.items():
        if value and name not in _FIXED:
            yield name
    for index, region in enumerate(given.memory):
        yield index, 0, len(region.data)


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
    if not isinstance(part, str):
        index, start, end = part
        middle = (start + end) // 2 & -_SMALLEST
        if start < middle < end:
            for half in ((index, start, middle), (index, middle, end)):
                best, sentence = _without(pair, best, sentence, half, bench, deadline)
    return best, sentence


def _zeroed(given: GivenInput, part: Part) -> GivenInput:
    if isinstance(part, str):
        return replace(given, registers={**given.registers, part: 0})
    index, start, end = part
    region = given.memory[index]
    data = region.data[:start] + bytes(end - start) + region.data[end:]
    memory = list(given.memory)
    memory[index] = MemoryRegion(region.address, data, region.access)
    return replace(given, memory=tuple(memory))
