"""Whether what a function does depends on where its code lies: then a rewrite, whose code is another, may do otherwise.

Code that is right looks at no code. In a test it can: a null pointer and a large index, with which a program faults,
may lead to where the code was put, or what nobody wrote on the stack may be the return address of an earlier call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from burnish.core.specification import Specification
from burnish.runtime.batch import BatchResult, Placement, StateBatch, Window
from burnish.verify.pair import Side
from burnish.verify.trials.arena import PAGE, Arena
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.garbage import leaves_otherwise
from burnish.verify.trials.native import CannotRunError, NativeCode, transplant
from burnish.verify.trials.outcome import View

_ROOM = 64 * PAGE
_LOW = 0x550
"""So that low bytes of addresses in the code change as well."""


def free_address(taken: Sequence[tuple[int, int]], address: int, size: int = 0) -> int:
    """The first place from ``address`` on that is some pages away from all that is ``taken``, which is in order."""
    for start, end in taken:
        if start - _ROOM < address + size and address < end + _ROOM:
            address = (end + 2 * _ROOM) & -PAGE
    return address


def moved_code(
    side: Side,
    arena: Arena,
    stubs: Mapping[str, int],
    windows: Sequence[Window],
    placement: Placement,
    size: int,
) -> NativeCode | None:
    """The code of ``side``, of which ``size`` bytes lie at ``placement``, for a place apart from that and from all
    ``windows``; None where it cannot be moved."""
    own = placement.address, placement.address + size
    taken = sorted([own, *((window.address, window.end) for window in windows)])
    try:
        return transplant(side, arena, stubs, free_address(taken, placement.address, size + PAGE) + _LOW)
    except CannotRunError:
        return None


def depends_on_place(
    moved: NativeCode,
    states: StateBatch,
    constants: Sequence[Window],
    placement: Placement,
    result: BatchResult,
    specification: Specification,
    rsp: int,
    bench: Bench,
) -> bool:
    """True if ``moved``, the code at another place, leaves something else than ``result``, which is what it made of
    the one state of ``states`` at ``placement``."""
    whole = replace(states, windows=(*states.windows, *constants))
    try:
        again = bench.run(moved.data, whole, replace(placement, address=moved.address), patiently=True)
    except ValueError:
        return False  # It may be larger there.
    view = View.of(specification, whole, rsp, states.windows[0].size, floats=True)
    return leaves_otherwise(view, result, again)
