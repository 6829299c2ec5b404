"""Whether what a function does depends on what was left in registers and on the stack: then a rewrite may do otherwise.

Code that is right reads nothing that nobody has written, but in a test a callee that should have written it did not.
Two random contents mostly lead to the same: a number that is large in both. So some are tried that likely matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from burnish.core.specification import Specification
from burnish.runtime.batch import BatchResult, Placement, StateBatch, Window
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.draw import select
from burnish.verify.trials.drawn import take
from burnish.verify.trials.outcome import View, differing, first_difference
from burnish.verify.trials.stubs import LITTER

_OTHER = np.uint8(0xA7)
_FILLS = (
    np.zeros(1, np.uint8),
    np.full(1, 0xFF, np.uint8),
    np.full(1, 0x7F, np.uint8),
    np.array([1], np.uint32).view(np.uint8),
    np.array([1], np.uint64).view(np.uint8),
    np.array([1 << 5], np.uint32).view(np.uint8),
)


def depends_on_garbage(
    code: bytes,
    states: StateBatch,
    constants: Sequence[Window],
    placement: Placement,
    result: BatchResult,
    specification: Specification,
    rsp: int,
    bench: Bench,
) -> bool:
    """True if ``code`` leaves something else than ``result``, which is what it made of the one state of ``states``,
    where other bytes lie below its stack pointer (the first window), and where calls leave other values in
    registers."""
    count = len(_FILLS) + 1
    chosen = np.zeros(count, np.intp)
    windows = [
        replace(window, contents=_littered(window.contents))
        if number == 0 or window.address == LITTER
        else window
        for number, window in enumerate(select(states, chosen).windows)
    ]
    changed = replace(select(states, chosen), windows=(*windows, *constants))
    again = bench.run(code, changed, placement, patiently=True)
    view = View.of(specification, changed, rsp, states.windows[0].size, floats=True)
    return leaves_otherwise(view, take(result, chosen), again)


def leaves_otherwise(view: View, known: BatchResult, again: BatchResult) -> bool:
    """True if two runs from states that mean the same left something else from one of them."""
    differs = differing(view, known, again, results_only=True)
    return any(first_difference(view, known, again, row) for row in np.flatnonzero(differs).tolist())


def _littered(contents: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Other contents than those of a window, a row for each."""
    first = contents if contents.ndim == 1 else contents[0]
    return np.stack([first ^ _OTHER, *(np.resize(fill, first.shape) for fill in _FILLS)])
