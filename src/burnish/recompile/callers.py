"""Callers that know more of a function than the ABI promises.

A compiler that sees a callee may keep values in caller-saved registers that the callee does not touch (gcc's
``-fipa-ra``, part of ``-O2``). A rebuilt function touches whatever LLVM likes. So it must preserve what code that
stays as it is keeps across calls that lead to it, directly or through functions that stay as they are. Rebuilt
callers keep their values safe themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from burnish.core.code import Function, Refused, TailCall
from burnish.core.image import Access, FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.images import control_flow
from burnish.machine.registers import FLAG_CELLS
from burnish.recompile.bits import CLOBBERED, RETURN_VALUES, cells_mask, varnode_mask
from burnish.recompile.canonical import canonical
from burnish.recompile.liveness import carried_temporaries, live_across_calls, liveness
from burnish.recompile.plan import Summaries

_MAY_BE_KEPT = CLOBBERED & ~cells_mask(cell.name for cell in FLAG_CELLS)
_ANY = -1
"""Stands for all callees of a caller that cannot be read: it may keep anything across any call."""
_DEEPEST = 40
_SITES = (0xE8, 0xE9)
"""Opcodes of relative calls and jumps. The displacement that follows is four bytes."""


class Callers:
    """What the code of one image relies on. Functions are read as they are asked for, each once."""

    def __init__(self, summaries: Summaries) -> None:
        self._summaries = summaries
        self._sites = _Sites(summaries.image)
        self._kept: dict[int, dict[int, int]] = {}
        self._changes: dict[int, int] = {}
        self._cut = False
        """True while what is being computed is incomplete because of recursion."""

    def kept(self, replaced: Iterable[int]) -> dict[int, int]:
        """For each function at the image addresses ``replaced``: the register bytes (``bits``) that some code which
        stays as it is keeps across a call that leads to it, so that its replacement must preserve them. Functions
        without any are left out."""
        image = self._summaries.image
        wanted = set(replaced)
        kept: dict[int, int] = {}
        leads: dict[int, set[int]] = {address: {address} for address in wanted}
        pending = list(wanted)
        while pending:
            # A function that stays and calls a replaced one may change more than its own callers believe.
            callee = pending.pop()
            if not _MAY_BE_KEPT & ~self._changed_by(callee, ()):
                continue  # neither its callers nor theirs keep anything across it
            for caller in self._sites.callers(callee):
                if caller.address in wanted:
                    continue
                mask = 0 if _opaque_to_callers(image, callee) else self._kept_by(caller, callee)
                for address in leads[callee]:
                    if mask:
                        kept[address] = kept.get(address, 0) | mask
                before = leads.get(caller.address, set())
                after = before | leads[callee]
                if after != before:
                    leads[caller.address] = after
                    pending.append(caller.address)
        return {a: mask for a, m in kept.items() if (mask := m & ~self._returned(a))}

    def _kept_by(self, caller: FunctionBounds, callee: int) -> int:
        """The caller-saved register bytes that ``caller`` keeps across calls of ``callee``. What the callee changes
        itself it cannot rely on: there it carries garbage along."""
        found = self._kept.get(caller.address)
        if found is None:
            function = self._summaries.lift(self._summaries.image, caller)
            if isinstance(function, Refused):
                function = control_flow(self._summaries.image, caller, keep_refused=True)
            if isinstance(function, Refused):
                found = {_ANY: _MAY_BE_KEPT}
            else:
                found = _kept_in(canonical(function), self._summaries)
            self._kept[caller.address] = found
        kept = found.get(callee, 0) | found.get(_ANY, 0)
        return kept & ~self._changed_by(callee, ()) if kept else 0

    def _changed_by(self, address: int, chain: tuple[int, ...]) -> int:
        """Register bytes that a function and all that it calls write: what a compiler holds them to change. What
        cannot be read counts as changing nothing."""
        known = self._changes.get(address)
        if known is not None:
            return known
        image = self._summaries.image
        if address in image.plt:
            return CLOBBERED
        bounds = image.bounds_at(address)
        if bounds is None or bounds.address != address or address in chain or len(chain) >= _DEEPEST:
            self._cut = True
            return 0
        function = self._summaries.lift(image, bounds)
        changed = 0
        if not isinstance(function, Refused):
            for node in _callees(function):
                changed |= self._changed_by(node, (*chain, address)) if node is not None else CLOBBERED
                if changed & CLOBBERED == CLOBBERED:
                    break
            for block in function.blocks:
                for operation in block.operations:
                    if operation.output is not None:
                        changed |= varnode_mask(operation.output)
        if not chain or not self._cut or changed & CLOBBERED == CLOBBERED:
            self._changes[address] = changed
        self._cut = self._cut and bool(chain)
        return changed

    def _returned(self, address: int) -> int:
        """The return registers that a function surely gives a value: its caller reads the result."""
        bounds = self._summaries.image.bounds_at(address)
        plan = None if bounds is None else self._summaries.plan(bounds)
        return RETURN_VALUES if plan is None or isinstance(plan, Refused) else RETURN_VALUES & plan.written


def _callees(function: Function) -> Iterator[int | None]:
    """Addresses of the functions that a function calls or jumps to; None for one that is not known."""
    for block in function.blocks:
        for operation in block.operations:
            if operation.opcode is OpCode.CALL:
                yield operation.inputs[0].offset
            elif operation.opcode is OpCode.CALLIND:
                yield None
        if isinstance(block.terminator, TailCall):
            target = block.terminator.target
            yield target.offset if target.space is Space.RAM else None


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
