"""From a lifted function to a plan for writing it: the analyses in their order, and what they refuse.

``Summaries`` answers, for one image, what each called function reads and changes; it makes the plans of callees
on the way, each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from burnish.core.code import Function, Label, Reason, Refused, Return, TailCall
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Operation, Space
from burnish.images import control_flow
from burnish.machine.registers import FLAG_CELLS
from burnish.recompile.bits import (
    ALL,
    ARGUMENTS,
    CLOBBERED,
    RETURN_VALUES,
    cells_in,
    cells_mask,
)
from burnish.recompile.calls import MADE_UP, RETURNS_TWICE, UNKNOWN, CallSummary, import_summary
from burnish.recompile.canonical import canonical
from burnish.recompile.changes import Changes, Lift
from burnish.recompile.layout import lay_out
from burnish.recompile.liveness import (
    Summarise,
    alive,
    carried_temporaries,
    define,
    defined,
    liveness,
    uses_and_defs,
)
from burnish.recompile.loops import likely_fallthroughs
from burnish.recompile.planned import Plan
from burnish.recompile.waits import loads_that_may_wait

_DEPTH = 4
"""How deep calls of calls are followed before a callee counts as unreadable, which is always right."""
_FLAGS = cells_mask(cell.name for cell in FLAG_CELLS if cell.name != "df")
_UNREADABLE = CallSummary(ARGUMENTS, RETURN_VALUES | _FLAGS)
"""A callee in the image that cannot be read. A compiler that saw it may rely on registers that it leaves alone, so
all but those of the result keep their values: right whether or not it changes them. Those of the result that carry
arguments as well are passed to it: whether it changes them or not, they come back as they must."""


def _once(lift: Lift) -> Lift:
    known: dict[int, Function | Refused] = {}

    def lifted(image: Image, bounds: FunctionBounds) -> Function | Refused:
        found = known.get(bounds.address)
        if found is None:
            found = known[bounds.address] = lift(image, bounds)
        return found

    return lifted


class Summaries:
    """What is known of the functions that an image calls. ``lift`` gives a function's control flow."""

    def __init__(self, image: Image, lift: Lift = control_flow) -> None:
        self.image = image
        self.lift = _once(lift)
        """Control flow of the image's functions; each is lifted once."""
        self._plans: dict[int, Plan | Refused] = {}
        self._summaries: dict[int, CallSummary] = {}
        self._open: list[int] = []
        self._changes = Changes(image, self.lift)
        self._odd_callers: dict[int, Refused | None] = {}
        """Functions that are refused for what they call, or that are not; what is known of them holds all the same."""

    def plan(self, bounds: FunctionBounds) -> Plan | Refused:
        """The plan to rebuild a function, or why it cannot be rebuilt."""
        found = self._own_plan(bounds)
        if isinstance(found, Refused) or self._open:
            return found
        if bounds.address not in self._odd_callers:
            self._odd_callers[bounds.address] = self._odd_callee(found)
        return self._odd_callers[bounds.address] or found

    def _own_plan(self, bounds: FunctionBounds) -> Plan | Refused:
        """The plan of a function, whatever convention it calls others by."""
        found = self._plans.get(bounds.address)
        if found is None:
            self._open.append(bounds.address)
            try:
                found = self._plans[bounds.address] = self._plan(bounds)
            finally:
                self._open.pop()
        return found

    def _odd_callee(self, plan: Plan) -> Refused | None:
        """A function that has a convention of its own (nested ones of GNU C take an address in R10) is called by
        that convention."""
        for block in plan.function.blocks:
            targets = [o.inputs[0] for o in block.operations if o.opcode is OpCode.CALL]
            if isinstance(block.terminator, TailCall):
                targets.append(block.terminator.target)
            for node in targets:
                bounds = self.image.bounds_at(node.offset) if node.space is Space.RAM else None
                if bounds is None or bounds.address != node.offset:
                    continue
                callee = self._own_plan(bounds)
                if isinstance(callee, Refused) and callee.reason is Reason.CONVENTION:
                    detail = f"calls {bounds.name}, which {callee.detail}"
                    return Refused(Reason.CONVENTION, block.label.address, detail)
        return None

    def _plan(self, bounds: FunctionBounds) -> Plan | Refused:
        if bounds.has_handler:
            return Refused(Reason.UNWIND, bounds.address)
        lifted = self.lift(self.image, bounds)
        if isinstance(lifted, Refused):
            return lifted
        return make_plan(canonical(lifted), self.summarise, self.image)

    def summarise(self, call: Operation | TailCall) -> CallSummary:
        """What the callee of a call or tail call reads and changes."""
        node = call.target if isinstance(call, TailCall) else call.inputs[0]
        if node.space is not Space.RAM:
            return UNKNOWN
        return self.at(node.offset)

    def at(self, address: int) -> CallSummary:
        """What the function or PLT stub at an image address reads and changes."""
        known = self._summaries.get(address)
        if known is not None:
            return known
        imported = self.image.plt.get(address)
        if imported is not None:
            summary = import_summary(imported.name)
        else:
            bounds = self.image.bounds_at(address)
            if bounds is None or bounds.address != address:
                return _UNREADABLE
            if address in self._open or len(self._open) >= _DEPTH:
                return self._unreadable(address)
            plan = self._own_plan(bounds)
            self._open.append(address)
            try:
                refused = isinstance(plan, Refused)
                summary = self._unreadable(address) if refused else self._readable(bounds, plan)
            finally:
                self._open.pop()
        self._summaries[address] = summary
        return summary

    def _unreadable(self, address: int) -> CallSummary:
        """What to believe of a function of the image that has no plan (yet)."""
        changed = self._changes.by(address)
        return _UNREADABLE if changed is None else replace(_UNREADABLE, clobbers=changed)

    def _readable(self, bounds: FunctionBounds, plan: Plan) -> CallSummary:
        summary = _summary(plan)
        changed = self._changes.by(bounds.address)
        clobbers = summary.clobbers if changed is None else changed
        return replace(summary, clobbers=clobbers, fills=bounds.name in MADE_UP)


def _summary(plan: Plan) -> CallSummary:
    """What a caller may know of a function. A register of the result that it never writes is none of its result: gcc
    keeps values of the caller even there (``-fipa-ra``)."""
    first = plan.function.blocks[0].label
    arguments = plan.live[first] & ARGUMENTS
    changed = 0
    stack_bytes = None if plan.layout.open_ended else plan.layout.stack_bytes
    for block in plan.function.blocks:
        for operation in block.operations:
            changed |= uses_and_defs(operation, plan.summarise)[2]
        if isinstance(block.terminator, TailCall):
            callee = plan.summarise(block.terminator)
            changed |= callee.clobbers
            more = callee.stack_bytes
            stack_bytes = None if stack_bytes is None or more is None else max(stack_bytes, more)
    clobbers = cells_mask(cell.name for cell, _ in cells_in(changed & CLOBBERED))
    variadic = stack_bytes is None
    results = plan.results & RETURN_VALUES
    return CallSummary(arguments, clobbers, arguments & plan.certain, stack_bytes, variadic, results=results)


def make_plan(function: Function, summarise: Summarise, image: Image | None = None) -> Plan | Refused:
    """Run the analyses over a function in canonical form.

    A register that is read after a call that may have changed it holds garbage there, and garbage it becomes: only
    direct calls within the image leave more alone than the ABI promises, and their summaries know.
    """
    refused = _returns_twice(function, image)
    if refused is not None:
        return refused
    live = liveness(function, summarise)
    carried = carried_temporaries(function)
    places = {
        block.label: alive(block, live.live_out[block.label], summarise, carried) for block in function.blocks
    }
    operations = {
        block.label: tuple(block.operations[place] for place in places[block.label])
        for block in function.blocks
    }
    layout = lay_out(function, operations, live.live_in, summarise)
    if isinstance(layout, Refused):
        return layout
    has_value = defined(function, summarise)
    reached = {label: has_value.get(label, 0) for label in live.live_in}
    waits = loads_that_may_wait(function, operations, layout.facts)
    first = function.blocks[0].label
    certain = live.certain_in[first]
    written = _at_every_return(function, reached, summarise, surely=False)
    results = _at_every_return(function, defined(function, summarise, surely=True), summarise, surely=True)
    return Plan(
        function,
        operations,
        live.live_in,
        reached,
        layout,
        carried,
        summarise,
        waits,
        certain,
        written,
        results,
        likely_fallthroughs(function),
        places,
    )


def _at_every_return(
    function: Function, reached: Mapping[Label, int], summarise: Summarise, *, surely: bool
) -> int:
    """Register bytes that hold a value wherever the function ends; of its tail calls only what ``surely`` asks for
    is known."""
    held = ALL
    for block in function.blocks:
        if not isinstance(block.terminator, Return) and not (
            surely and isinstance(block.terminator, TailCall)
        ):
            continue
        current = reached.get(block.label, 0)
        for operation in block.operations:
            current = define(current, operation, summarise, surely=surely)
        if isinstance(block.terminator, TailCall):
            callee = summarise(block.terminator)
            current = current & ~callee.clobbers | callee.results & callee.clobbers
        held &= current
    return held


def _returns_twice(function: Function, image: Image | None) -> Refused | None:
    if image is None:
        return None
    for block in function.blocks:
        for operation in block.operations:
            if operation.opcode is OpCode.CALL:
                imported = image.plt.get(operation.inputs[0].offset)
                if imported is not None and imported.name in RETURNS_TWICE:
                    return Refused(Reason.RETURNS_TWICE, block.label.address, imported.name)
    return None
