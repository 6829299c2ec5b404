"""Callers that know more of a function than the ABI promises.

A compiler that sees a callee may keep values in caller-saved registers that the callee does not touch (gcc's
``-fipa-ra``, part of ``-O2``). A rebuilt function touches whatever LLVM likes. So it must preserve what code that
stays as it is keeps across calls that lead to it, directly or through functions that stay as they are. Rebuilt
callers keep their values safe themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from burnish.core.code import Function, Refused
from burnish.core.image import Access, FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.images import control_flow
from burnish.machine.registers import FLAG_CELLS
from burnish.recompile.bits import CLOBBERED, RETURN_VALUES, cells_mask
from burnish.recompile.canonical import canonical
from burnish.recompile.liveness import carried_temporaries, live_across_calls, liveness
from burnish.recompile.plan import Summaries

_MAY_BE_KEPT = CLOBBERED & ~cells_mask(cell.name for cell in FLAG_CELLS)
_SITES = (0xE8, 0xE9)
"""Opcodes of relative calls and jumps. The displacement that follows is four bytes."""


def kept_by_callers(summaries: Summaries, replaced: Iterable[int]) -> dict[int, int]:
    """For each function at the image addresses ``replaced``: the register bytes (``bits``) that some code which
    stays as it is keeps across a call that leads to it, so that its replacement must preserve them. Functions
    without any are left out."""
    image = summaries.image
    wanted = set(replaced)
    sites = _Sites(image)
    checked: dict[int, dict[int, int]] = {}
    kept: dict[int, int] = {}
    leads: dict[int, set[int]] = {address: {address} for address in wanted}
    pending = list(wanted)
    while pending:
        # A function that stays and calls a replaced one may change more than its own callers believe.
        callee = pending.pop()
        for caller in sites.callers(callee):
            if caller.address in wanted:
                continue
            found = checked.get(caller.address)
            if found is None:
                found = checked[caller.address] = _kept_by(summaries, caller)
            mask = 0 if _opaque_to_callers(image, callee) else found.get(callee, 0) | found.get(-1, 0)
            for address in leads[callee]:
                if mask:
                    kept[address] = kept.get(address, 0) | mask
            before = leads.get(caller.address, set())
            after = before | leads[callee]
            if after != before:
                leads[caller.address] = after
                pending.append(caller.address)
    return {a: m & ~_returned(summaries, a) for a, m in kept.items() if m & ~_returned(summaries, a)}


def _returned(summaries: Summaries, address: int) -> int:
    """The return registers that a function surely gives a value: its caller reads the result."""
    bounds = summaries.image.bounds_at(address)
    plan = None if bounds is None else summaries.plan(bounds)
    return RETURN_VALUES if plan is None or isinstance(plan, Refused) else RETURN_VALUES & plan.written


def _opaque_to_callers(image: Image, address: int) -> bool:
    """True for functions that another object may override at run time: no compiler relies on their body."""
    bounds = image.bounds_at(address)
    return bounds is not None and bounds.exported and image.kind.is_interposable


class _Sites:
    """Direct calls and jumps of an image, found by their encoding: some are none, none is missed."""

    def __init__(self, image: Image) -> None:
        self._callers: dict[int, set[FunctionBounds]] = defaultdict(set)
        for segment in image.segments:
            if Access.EXECUTE not in segment.access or len(segment.data) < 5:
                continue
            data = np.frombuffer(segment.data, np.uint8)
            starts = np.flatnonzero(np.isin(data[:-4], _SITES))
            displacement = np.zeros(len(starts), np.int64)
            for k in range(4):
                displacement |= data[starts + 1 + k].astype(np.int64) << 8 * k
            displacement -= (displacement >> 31) << 32
            targets = segment.address + starts + 5 + displacement
            entries = np.array(sorted({b.address for b in image.functions}), np.int64)
            known = np.isin(targets, entries)
            for start, target in zip(starts[known].tolist(), targets[known].tolist(), strict=True):
                caller = image.bounds_at(segment.address + start)
                if caller is not None and caller.address != target:
                    self._callers[target].add(caller)

    def callers(self, address: int) -> set[FunctionBounds]:
        return self._callers.get(address, set())


def _kept_by(summaries: Summaries, caller: FunctionBounds) -> dict[int, int]:
    """For each function that ``caller`` calls: the caller-saved register bytes that it keeps across the call. The
    key -1 stands for all callees, where the caller cannot be read: then it may keep any."""
    function = control_flow(summaries.image, caller, keep_refused=True)
    if isinstance(function, Refused):
        return {-1: _MAY_BE_KEPT}
    return _kept_in(canonical(function), summaries)


def _kept_in(function: Function, summaries: Summaries) -> dict[int, int]:
    live = liveness(function, summaries.summarise)
    found: dict[int, int] = {}
    carried = carried_temporaries(function)
    for block in function.blocks:
        calls = live_across_calls(block, live, summaries.summarise, carried)
        for call, later in calls:
            kept = later & _MAY_BE_KEPT
            if kept and call.opcode is OpCode.CALL and call.inputs[0].space is Space.RAM:
                callee = call.inputs[0].offset
                found[callee] = found.get(callee, 0) | kept
    return found
