"""Probes: what a recompiled function writes down while it runs.

A thread's area lies at the base of ``gs`` (``native/record_preload.c``): at offset 0 the address of the next trace
record, at 8 the address from which on the slow path must be called, at 16 the address of the slow path, from 4096 on
the counters. A counting probe is one addition; a tracing probe is an exchange-and-add, a store, and a comparison whose
branch is hardly ever taken. Both leave a signal handler's own records in order.

A trace record is the number of a block. Where memory is recorded as well, records have eight bytes: the upper 16 bits
are the number of a site, and the rest an address; or they are ``BLOCK_MARK``, and the rest the number of a block. What
lies at a fixed place in the function's own frame has no record: rebuilt code keeps it in registers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.core.code import Block, Branch, Function, Jump, Label, Switch, successors
from burnish.core.pcode import OpCode, Operation
from burnish.core.recording import Access, Edge, Numbering, Site
from burnish.domains.llvm import Builder, Value
from burnish.domains.llvm.convert import Converter
from burnish.domains.walker import Walker
from burnish.recompile.planned import Plan

COUNTERS = 4096
"""Offset of the first counter in an area."""
_SLOW = 16
_GS = "ptr addrspace(256)"
_CALLS = (OpCode.CALL, OpCode.CALLIND)
BLOCK_MARK = 0xFFFF
SITE_SHIFT = 48
MOST_SITES = BLOCK_MARK


def number(plan: Plan, first_block: int, first_counter: int, first_site: int | None = None) -> Numbering:
    """Number the blocks and the counters of a function, and the sites of its loads and stores, if memory is recorded.

    Each block or edge has one counter at most, and no more than are needed to know all of them: a block that ends in
    a branch is entered as often as it is left, unless it calls something that may not return.
    """
    function = plan.function
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
    sites = {} if first_site is None else _sites(plan, first_site)
    return Numbering(blocks, entered, taken, sites)


_ACCESSES = {
    OpCode.LOAD: (Access.LOAD,),
    OpCode.STORE: (Access.STORE,),
    OpCode.REP_MOVS: (Access.STRING_TARGET, Access.STRING_SOURCE, Access.STRING_BYTES),
    OpCode.REP_STOS: (Access.STRING_TARGET, Access.STRING_BYTES),
}


def _sites(plan: Plan, first: int) -> dict[tuple[Label, int], tuple[Site, ...]]:
    found: dict[tuple[Label, int], tuple[Site, ...]] = {}
    for block in plan.function.blocks:
        where = _instruction_of(block)
        for index, operation in enumerate(plan.operations[block.label]):
            kinds = _ACCESSES.get(operation.opcode, ())
            if kinds:
                address = where[id(operation)]
                size = _size(operation)
                found[block.label, index] = tuple(
                    Site(first + k, kind, size, address) for k, kind in enumerate(kinds)
                )
                first += len(kinds)
    return found


def _instruction_of(block: Block) -> dict[int, int]:
    """The instruction that each operation of a block belongs to, by the operation's identity."""
    found: dict[int, int] = {}
    marks = [*block.marks, (block.label.address, len(block.operations))]
    for (address, start), (_, end) in itertools.pairwise(marks):
        for operation in block.operations[start:end]:
            found[id(operation)] = address
    for operation in block.operations:
        found.setdefault(id(operation), block.label.address)
    return found


def _size(operation: Operation) -> int:
    match operation.opcode:
        case OpCode.LOAD:
            return operation.output.size if operation.output is not None else 0
        case OpCode.STORE:
            return operation.inputs[1].size
        case _:
            return 0


def sites_of(numbering: Numbering) -> int:
    """How many sites a numbering has."""
    return sum(map(len, numbering.sites.values()))


def counters_of(numbering: Numbering) -> int:
    """How many counters a numbering has."""
    return len(numbering.entered) + len(numbering.taken)


@dataclass(frozen=True, slots=True)
class Probes:
    """What to write down in a function. ``trace_bytes`` is the size of a trace record: 2 or 4, 8 with memory, and 0 for
    no trace."""

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
        if self.trace_bytes == 8:
            _write_record(builder, str((BLOCK_MARK << SITE_SHIFT | record) - (1 << 64)), 8, name)
        else:
            _write_record(builder, str(record), self.trace_bytes, name)

    def at_access(
        self, builder: Builder, place: tuple[Label, int], addresses: Sequence[str], name: str
    ) -> None:
        """Write the probes of a load, a store or a string instruction. ``addresses`` are integers of 64 bits, one for
        each of its sites."""
        for site, address in zip(self.numbering.sites.get(place, ()), addresses, strict=False):
            mark = site.number << SITE_SHIFT
            mark -= (mark >> 63) << 64
            value = builder.emit("i64", f"or i64 {address}, {mark}")
            _write_record(builder, value.text, 8, f"{name}.s{site.number}")


def string_addresses(operation: Operation, walker: Walker[Value], convert: Converter) -> list[str]:
    """LLVM expressions of what ``rep movs`` or ``rep stos`` is about to handle: where it begins, and how many bytes.
    Backwards it never goes: code that sets the direction flag is refused."""
    nodes = operation.inputs
    pointers = nodes[:2] if operation.opcode is OpCode.REP_MOVS else nodes[:1]
    texts = [f"ptrtoint ptr {convert.pointer(walker.read(node)).text} to i64" for node in pointers]
    count_of = convert.integer(walker.read(nodes[2])).text
    return [*texts, f"mul i64 {count_of}, {nodes[3].offset}"]


def _write_record(builder: Builder, value: str, size: int, name: str) -> None:
    """Write a trace record. ``value`` is an integer of ``size`` bytes, a literal or a name."""
    suffix, width = {2: ("w", "i16"), 4: ("l", "i32"), 8: ("q", "i64")}[size]
    text = f"xaddq $0, %gs:0\\0Amov{suffix} $2, ($0)\\0Acmpq %gs:8, $0"
    constraint = "ri" if size < 8 and value.isdigit() else "r"
    constraints = f"=&r,={{@ccae}},{constraint},0,~{{dirflag}},~{{fpsr}},~{{flags}}"
    pair = builder.emit(
        "{ i64, i8 }",
        f'call {{ i64, i8 }} asm sideeffect "{text}", "{constraints}"({width} {value}, i64 {size})',
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
