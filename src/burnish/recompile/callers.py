"""Callers that know more of a function than the ABI promises.

A compiler that sees a callee may keep values in caller-saved registers that the callee does not touch (gcc's
``-fipa-ra``, part of ``-O2``). A rebuilt function touches whatever LLVM likes. So a function may only be replaced if
no code that stays as it is keeps such a register across a call that leads to it, directly or through functions that
stay as they are. Rebuilt callers keep their values safe themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from burnish.core.code import Function, Reason, Refused
from burnish.core.image import Access, FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.images import control_flow
from burnish.recompile.bits import CLOBBERED, RETURN_VALUES, cells_in
from burnish.recompile.canonical import canonical
from burnish.recompile.liveness import liveness, terminator_uses, uses_and_defs, without_dead
from burnish.recompile.plan import Summaries

_SITES = (0xE8, 0xE9)
"""Opcodes of relative calls and jumps. The displacement that follows is four bytes."""


def conflicts(summaries: Summaries, replaced: Iterable[int]) -> dict[int, Refused]:
    """Which of the functions at the image addresses ``replaced`` may not be replaced together, and why. The
    address in a refusal is that of the caller: to replace that function as well settles the matter."""
    image = summaries.image
    wanted = set(replaced)
    refused: dict[int, Refused] = {}
    sites = _Sites(image)
    checked: dict[int, dict[int, Refused]] = {}
    while True:
        # A function that stays and calls a replaced one may change more than its own callers believe.
        leads: dict[int, set[int]] = {address: {address} for address in wanted}
        pending = list(wanted)
        blamed: dict[int, Refused] = {}
        while pending:
            callee = pending.pop()
            for caller in sites.callers(callee):
                if caller.address in wanted:
                    continue
                found = checked.get(caller.address)
                if found is None:
                    found = checked[caller.address] = _kept_by(summaries, caller)
                problem = found.get(callee) or found.get(-1)
                if problem is not None and not _opaque_to_callers(image, callee):
                    for address in leads[callee]:
                        blamed.setdefault(address, problem)
                before = leads.get(caller.address, set())
                after = before | leads[callee]
                if after != before:
                    leads[caller.address] = after
                    pending.append(caller.address)
        if not blamed:
            return refused
        refused |= blamed
        wanted -= blamed.keys()


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


def _kept_by(summaries: Summaries, caller: FunctionBounds) -> dict[int, Refused]:
    """For each function that ``caller`` calls and across which it keeps a caller-saved register: where. The key -1
    stands for all callees, where the caller cannot be read."""
    function = control_flow(summaries.image, caller, keep_refused=True)
    if isinstance(function, Refused):
        detail = f"{caller.name} calls it and cannot be read"
        return {-1: Refused(Reason.CONVENTION, caller.address, detail)}
    return _kept_in(canonical(function), summaries)


def _kept_in(function: Function, summaries: Summaries) -> dict[int, Refused]:
    live = liveness(function, summaries.summarise)
    found: dict[int, Refused] = {}
    for block in function.blocks:
        sure = live.certain_out[block.label] | terminator_uses(block, summaries.summarise)[0]
        for operation in reversed(without_dead(block, live.live_out[block.label], summaries.summarise)):
            read, _, written = uses_and_defs(operation, summaries.summarise)
            if operation.opcode is OpCode.CALL and operation.inputs[0].space is Space.RAM:
                kept = sure & CLOBBERED & ~RETURN_VALUES
                if kept:
                    names = ", ".join(cell.name for cell, _ in cells_in(kept))
                    detail = f"{function.name} keeps {names} across a call"
                    callee = operation.inputs[0].offset
                    found[callee] = Refused(Reason.CONVENTION, function.address, detail)
            sure = sure & ~written | read
    return found

