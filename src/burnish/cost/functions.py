"""Which of two native functions in this process takes fewer cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish import _native
from burnish.core.measure import Comparison, Samples
from burnish.cost.bootstrap import compare

_TICKS_A_SAMPLE = 20_000
"""About 10 µs: long beside the two fences of a reading, short beside a time slice."""
_MAX_CALLS = 1 << 20


def compare_functions(
    baseline: int,
    candidate: int,
    arguments: Sequence[Sequence[int]],
    *,
    seed: int,
    calls: int | None = None,
    batches: int = 25,
    samples_per_batch: int = 11,
) -> Comparison:
    """Calls the functions at addresses ``baseline`` and ``candidate`` by turns with each of the argument
    lists (up to six integers or pointers) and compares time-stamp ticks per call, all argument lists
    weighing by their time.

    The code runs in this process, unprotected: what faults, faults here, and what it writes stays. Samples
    taken within a moment are alike, so the median of each batch of ``samples_per_batch`` counts as one
    value, and the batches are what the interval is over. ``calls`` per sample is chosen for a sample of
    about 10 µs if not given.

    Raises ``ValueError`` without arguments or for more than six in a list.
    """
    if not arguments:
        raise ValueError("no argument lists to call the functions with")
    chosen = [calls or _calls(baseline, values) for values in arguments]
    old, new = np.zeros(batches), np.zeros(batches)
    # Batch by batch over all argument lists, so that each batch sees the same moment of the machine.
    for batch in range(batches):
        for values, count in zip(arguments, chosen, strict=True):
            first, second = _native.time_pairs(baseline, candidate, values, count, samples_per_batch)
            old[batch] += np.median(first) / count
            new[batch] += np.median(second) / count
    return compare(
        Samples("the original", "ticks", tuple((old / len(arguments)).tolist())),
        Samples("the candidate", "ticks", tuple((new / len(arguments)).tolist())),
        seed=seed,
    )


def _calls(address: int, arguments: Sequence[int]) -> int:
    """How many calls make a sample of about ``_TICKS_A_SAMPLE``. The first calls, with cold caches, are
    dropped."""
    calls = 1
    while calls < _MAX_CALLS:
        ticks = float(np.median(_native.time_calls(address, arguments, calls, 5)[1:]))
        if ticks >= _TICKS_A_SAMPLE:
            return calls
        calls *= 2 if ticks * 4 >= _TICKS_A_SAMPLE else 4
    return _MAX_CALLS
