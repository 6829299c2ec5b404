"""Registers that a loop or function reads before it writes them, and those that it writes and that are read later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from burnish.core.code import Block, Label, Refused, Return, TailCall, successors
from burnish.core.pcode import OpCode, Operation, Space
from burnish.machine.registers import FLAG_CELLS, VECTOR_ARGUMENTS
from burnish.recompile import Summaries
from burnish.recompile.bits import ARGUMENTS, RETURN_VALUES, STACK_POINTER, cell_mask, cells_in, cells_mask
from burnish.recompile.liveness import terminator_uses, uses_and_defs
from burnish.recompile.planned import Plan
from burnish.recompile.provenance import FrameAddress

_RESULTS = cells_mask(("rax", "xmm0"))
"""The convention has second ones, and nearly no function uses them."""
_DEPTH = 3
"""How deep calls of calls are followed."""
_AL = cell_mask("rax") & -cell_mask("rax")
_LEFT_OUT = STACK_POINTER | cells_mask(cell.name for cell in FLAG_CELLS)


Reads = Callable[[int], "tuple[int, int] | None"]
"""The register bytes that the function at an address reads as its caller left them, for certain and perhaps; None where
only the summary of calls says it."""


class ArgumentsRead:
    """``Reads`` of an image's own functions. What summaries say of those is meant for callers that keep values: it
    includes registers of results that a function leaves alone."""

    def __init__(self, summaries: Summaries) -> None:
        self._summaries = summaries
        self._known: dict[int, tuple[int, int]] = {}
        self._open: list[int] = []

    def __call__(self, address: int) -> tuple[int, int] | None:
        """What the function at ``address`` reads; None for imports and what is no function."""
        image = self._summaries.image
        bounds = image.bounds_at(address)
        if address in image.plt or bounds is None or bounds.address != address:
            return None
        if address in self._known:
            return self._known[address]
        plan = (
            self._summaries.plan(bounds) if len(self._open) < _DEPTH and address not in self._open else None
        )
        if plan is None or isinstance(plan, Refused):
            summary = self._summaries.at(address)
            certain = summary.certain & ~RETURN_VALUES
            return certain, summary.arguments & ~certain
        self._open.append(address)
        try:
            found = LiveRegisters(plan, self).arguments()
        finally:
            self._open.pop()
        if not self._open:
            self._known[address] = found
        return found


class LiveRegisters:
    """Live registers of one function. Flags, the stack pointer, and what is only still there when the function returns
    are left out."""

    def __init__(self, plan: Plan, reads: Reads = lambda address: None) -> None:
        self._plan = plan
        self._reads = reads
        self._following = {b.label: successors(b.terminator) for b in plan.function.blocks}
        self._sure = {block.label: self._summary(block, surely=True) for block in plan.function.blocks}
        self._all = {block.label: self._summary(block, surely=False) for block in plan.function.blocks}
        self._returns = {b.label for b in plan.function.blocks if isinstance(b.terminator, Return)}
        self._after: tuple[dict[Label, int], dict[Label, int]] | None = None

    def loop(self, blocks: frozenset[Label]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """``(live in, live out)`` of a loop. Registers that hold a fixed place in the frame are left out."""
        if self._after is None:
            every = self._following
            self._after = self._live(every, self._sure, _RESULTS), self._live(every, self._all, _RESULTS)
        before = self._live(blocks, self._sure, 0), self._live(blocks, self._all, 0)
        read = wanted = written = 0
        for label, targets in self._following.items():
            for target in targets:
                if label not in blocks and target in blocks:
                    read |= self._either(before, target)
                elif label in blocks and target not in blocks:
                    wanted |= self._either(self._after, target)
        for label in blocks:
            wanted |= _RESULTS if label in self._returns else 0
            written |= self._all[label][1]
        fixed = self._in_frame(blocks)
        return _names(read & ~fixed), _names(wanted & written & ~fixed)

    def _either(self, live: tuple[dict[Label, int], dict[Label, int]], label: Label) -> int:
        """What is read for certain from a block on, and what calls perhaps read, as far as that holds a value."""
        sure, perhaps = live
        return sure.get(label, 0) | (perhaps.get(label, 0) & self._plan.defined.get(label, 0))

    def function(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """``(live in, live out)`` of the function: arguments, and results."""
        certain, perhaps = self.arguments()
        written = 0
        for _, here in self._all.values():
            written |= here
        return _names(certain | perhaps), _names(self._plan.results & written & _RESULTS)

    def blocks(self) -> dict[Label, tuple[int, int]]:
        """Register bytes that each block reads before it writes them, as far as they hold a value, and that it writes;
        flags are among them, the stack pointer is not."""
        found: dict[Label, tuple[int, int]] = {}
        for label, (perhaps, written) in self._all.items():
            read = self._sure[label][0] | perhaps & self._plan.defined.get(label, 0)
            found[label] = read & ~STACK_POINTER, written & ~STACK_POINTER
        return found

    def arguments(self) -> tuple[int, int]:
        """Register bytes that the function reads as its caller left them, and those that calls in it perhaps read."""
        first = self._plan.function.blocks[0].label
        certain = self._live(self._following, self._sure, 0)[first] & ARGUMENTS
        perhaps = self._live(self._following, self._all, 0)[first] & ARGUMENTS
        return certain, perhaps & ~certain

    def _summary(self, block: Block, *, surely: bool) -> tuple[int, int]:
        """Register bytes that a block reads before it writes them, and those that it writes."""
        written = read = 0
        vectors: int | None = None
        for operation in self._plan.operations[block.label]:
            sure, perhaps, here = self._effect(operation)
            if operation.opcode is OpCode.CALL and vectors is not None:
                summary = self._plan.summarise(operation)
                perhaps &= without_vectors(vectors) if summary.variadic and summary.certain else perhaps
            if here & _AL:
                constant = operation.opcode is OpCode.COPY and operation.inputs[0].space is Space.CONST
                vectors = operation.inputs[0].offset if constant else None
            read |= (sure if surely else sure | perhaps) & ~written
            written |= here
        if not isinstance(block.terminator, Return):
            certain, perhaps = self._ending(block)
            read |= (certain if surely else certain | perhaps) & ~written
        return read, written

    def _ending(self, block: Block) -> tuple[int, int]:
        tail = block.terminator
        if isinstance(tail, TailCall) and tail.target.space is Space.RAM:
            known = self._reads(tail.target.offset)
            if known is not None:
                return known
        return terminator_uses(block, self._plan.summarise)

    def _effect(self, operation: Operation) -> tuple[int, int, int]:
        read, perhaps, written = uses_and_defs(operation, self._plan.summarise)
        if operation.opcode is OpCode.CALL and operation.inputs[0].offset == self._plan.function.address:
            return STACK_POINTER, 0, written  # it reads what the function does
        known = self._reads(operation.inputs[0].offset) if operation.opcode is OpCode.CALL else None
        if known is not None:
            return known[0] | STACK_POINTER, known[1], written
        return read, perhaps, written

    def _live(
        self, blocks: Iterable[Label], summaries: Mapping[Label, tuple[int, int]], at_return: int
    ) -> dict[Label, int]:
        """Register bytes live at the start of each of ``blocks``; nothing is behind them but returns."""
        found = dict.fromkeys(blocks, 0)
        before: dict[Label, set[Label]] = {label: set() for label in found}
        for label in found:
            for target in self._following[label]:
                if target in found:
                    before[target].add(label)
        work = dict.fromkeys(found)
        while work:
            label, _ = work.popitem()
            live = at_return if label in self._returns else 0
            for target in self._following[label]:
                live |= found.get(target, 0)
            read, written = summaries[label]
            live = live & ~written | read
            if live != found[label]:
                found[label] = live
                work.update(dict.fromkeys(before[label]))
        return found

    def _in_frame(self, blocks: Iterable[Label]) -> int:
        names: set[str] | None = None
        for label in blocks:
            facts = self._plan.layout.facts.get(label, {})
            here = {name for name, shape in facts.items() if isinstance(shape, FrameAddress)}
            names = here if names is None else names & here
        return cells_mask(names or ())


def without_vectors(count: int) -> int:
    """The registers of arguments without those of vectors from a number on, as bytes: what a function of the C library
    reads whose number of arguments varies, where AL is ``count``."""
    return ARGUMENTS & ~cells_mask(VECTOR_ARGUMENTS[count:])


def _names(mask: int) -> tuple[str, ...]:
    return tuple(cell.name for cell, _ in cells_in(mask & ~_LEFT_OUT))
