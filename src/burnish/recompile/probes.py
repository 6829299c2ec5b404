"""Probes: what a recompiled function writes down while it runs.

A thread's area lies at the base of ``gs`` (``native/record_preload.c``): at offset 0 the address of the next trace
record, at 8 the address from which on the slow path must be called, at 16 the address of the slow path, from 4096 on
the counters. A counting probe is one addition; a tracing probe is an exchange-and-add, a store, and a comparison whose
branch is hardly ever taken. Both leave a signal handler's own records in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from burnish.core.code import Block, Branch, Function, Jump, Label, Switch, successors
from burnish.core.pcode import OpCode
from burnish.core.recording import Edge, Numbering
from burnish.domains.llvm import Builder

COUNTERS = 4096
"""Offset of the first counter in an area."""
_SLOW = 16
_GS = "ptr addrspace(256)"
_CALLS = (OpCode.CALL, OpCode.CALLIND)


def number(function: Function, first_block: int, first_counter: int) -> Numbering:
    """Number the blocks and the counters of a function.

    Each block or edge has one counter at most, and no more than are needed to know all of them: a block that ends in
    a branch is entered as often as it is left, unless it calls something that may not return.
    """
    blocks = {block.label: first_block + i for i, block in enumerate(function.blocks)}
    entered: dict[Label, int] = {}
    taken: dict[Edge, int] = {}
    counter = first_counter
    for block in function.blocks:
        calls = any(operation.opcode in _CALLS for operation in block.operations)
        leaves = isinstance(block.terminator, Branch | Switch) or (
            calls and isinstance(block.terminator, Jump)
        )
        if calls or not leaves:
            entered[block.label] = counter
            counter += 1
        if leaves:
            for target in successors(block.terminator):
                taken[Edge(block.label, target)] = counter
                counter += 1
    return Numbering(blocks, entered, taken)


def counters_of(numbering: Numbering) -> int:
    """How many counters a numbering has."""
    return len(numbering.entered) + len(numbering.taken)


@dataclass(frozen=True, slots=True)
class Probes:
    """What to write down in a function. ``trace_bytes`` is the size of a trace record, a block's number: 2 or 4, and
    0 for no trace."""

    numbering: Numbering
    trace_bytes: int = 0

    def at_entry(self, builder: Builder, block: Block, name: str) -> None:
        """Write the probes of a block's start. ``name`` is a prefix for labels."""
        counter = self.numbering.entered.get(block.label)
        if counter is not None:
            count(builder, counter)
        if self.trace_bytes:
            self._trace(builder, self.numbering.blocks[block.label], name)

    def _trace(self, builder: Builder, record: int, name: str) -> None:
        suffix = {2: "w", 4: "l"}[self.trace_bytes]
        text = f"xaddq $0, %gs:0\\0Amov{suffix} $${record}, ($0)\\0Acmpq %gs:8, $0"
        constraints = "=&r,={@ccae},0,~{dirflag},~{fpsr},~{flags}"
        pair = builder.emit(
            "{ i64, i8 }",
            f'call {{ i64, i8 }} asm sideeffect "{text}", "{constraints}"(i64 {self.trace_bytes})',
        )
        full = builder.emit("i8", f"extractvalue {{ i64, i8 }} {pair.text}, 1")
        flag = builder.emit("i1", f"trunc i8 {full.text} to i1")
        builder.do(f"br i1 {flag.text}, label %{name}.full, label %{name}.go, !prof !1")
        builder.lines.append(f"{name}.full:")
        slow = builder.emit("ptr", f"load ptr, {_GS} inttoptr (i64 {_SLOW} to {_GS}), align 8")
        builder.do(f"call preserve_allcc void {slow.text}()")
        builder.do(f"br label %{name}.go")
        builder.lines.append(f"{name}.go:")


def count(builder: Builder, counter: int) -> None:
    """Write an addition of one to a counter."""
    place = f"{_GS} inttoptr (i64 {COUNTERS + 8 * counter} to {_GS})"
    before = builder.emit("i64", f"load i64, {place}, align 8")
    after = builder.emit("i64", f"add i64 {before.text}, 1")
    builder.do(f"store i64 {after.text}, {place}, align 8")


def totals(
    function: Function, numbering: Numbering, counts: Mapping[int, int]
) -> tuple[dict[Label, int], dict[Edge, int]]:
    """Entries of each block and passages of each edge, from the counters (absent ones are 0)."""
    edges = {edge: counts.get(counter, 0) for edge, counter in numbering.taken.items()}
    left: dict[Label, int] = {}
    for edge, passed in edges.items():
        left[edge.source] = left.get(edge.source, 0) + passed
    blocks: dict[Label, int] = {}
    for block in function.blocks:
        counter = numbering.entered.get(block.label)
        blocks[block.label] = left.get(block.label, 0) if counter is None else counts.get(counter, 0)
        if isinstance(block.terminator, Jump) and block.label not in left:
            edges[Edge(block.label, block.terminator.target)] = blocks[block.label]
    return blocks, edges
