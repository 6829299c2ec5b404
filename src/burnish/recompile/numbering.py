"""Numbers for what a function's probes write down: its blocks, counters, accesses to memory, and results."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from burnish.core.code import Block, Branch, Function, Jump, Label, Switch, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.core.recording import (
    Access,
    Edge,
    Numbering,
    ResultGroup,
    ResultSite,
    Site,
    SnapshotGroup,
)
from burnish.machine.registers import FLAG_CELLS, GPR_CELLS, Cell, cell_of
from burnish.recompile.bits import BASE
from burnish.recompile.planned import Plan
from burnish.recompile.provenance import FrameAddress

CALLS = (OpCode.CALL, OpCode.CALLIND)
_MOST_IN_GROUP = 256
"""A record must be smaller than what the ring keeps free behind its limit (``native/record_preload.c``)."""
_SCALAR = 8
"""Bytes of the largest result that is written down: vectors are left out."""


@dataclass(slots=True)
class Numbers:
    """Numbers that are free. Sites begin at 1: a record of zeros is none."""

    block: int = 0
    counter: int = 0
    site: int = 1
    group: int = 0
    result: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be numbered beside blocks and counters."""

    accesses: bool = False
    results: bool = False
    snapshots: bool = False


def number(plan: Plan, free: Numbers, wanted: Wanted) -> Numbering:
    """Number the blocks and the counters of a function, and what else is wanted; ``free`` is counted up.

    Each block or edge has one counter at most, and no more than are needed to know all of them: a block that ends in
    a branch is entered as often as it is left, unless it calls something that may not return.
    """
    function = plan.function
    blocks = {block.label: free.block + i for i, block in enumerate(function.blocks)}
    free.block += len(blocks)
    entered: dict[Label, int] = {}
    taken: dict[Edge, int] = {}
    for block in function.blocks:
        calls = any(operation.opcode in CALLS for operation in block.operations)
        leaves = isinstance(block.terminator, Branch | Switch) or (
            calls and isinstance(block.terminator, Jump)
        )
        if calls or not leaves:
            entered[block.label] = free.counter
            free.counter += 1
        if leaves:
            for target in successors(block.terminator):
                taken[Edge(block.label, target)] = free.counter
                free.counter += 1
    return Numbering(
        blocks,
        entered,
        taken,
        _sites(plan, free) if wanted.accesses else {},
        _groups(plan, free) if wanted.results else {},
        _snapshots(plan, free) if wanted.snapshots else {},
    )


_ACCESSES = {
    OpCode.LOAD: (Access.LOAD,),
    OpCode.STORE: (Access.STORE,),
    OpCode.REP_MOVS: (Access.STRING_TARGET, Access.STRING_SOURCE, Access.STRING_BYTES),
    OpCode.REP_STOS: (Access.STRING_TARGET, Access.STRING_BYTES),
}


def _sites(plan: Plan, free: Numbers) -> dict[tuple[Label, int], tuple[Site, ...]]:
    found: dict[tuple[Label, int], tuple[Site, ...]] = {}
    for block in plan.function.blocks:
        where = instructions_of(plan, block)
        for index, operation in enumerate(plan.operations[block.label]):
            kinds = _ACCESSES.get(operation.opcode, ())
            if kinds:
                address = where[index]
                size = _size(operation)
                found[block.label, index] = tuple(
                    Site(free.site + k, kind, size, address) for k, kind in enumerate(kinds)
                )
                free.site += len(kinds)
    return found


def instructions_of(plan: Plan, block: Block) -> list[int]:
    """The instruction that each of the block's operations that matter belongs to."""
    starts = [start for _, start in block.marks]
    found: list[int] = []
    for place in plan.places[block.label]:
        mark = bisect_right(starts, place) - 1
        found.append(block.marks[mark][0] if mark >= 0 else block.label.address)
    return found


def _size(operation: Operation) -> int:
    match operation.opcode:
        case OpCode.LOAD:
            return operation.output.size if operation.output is not None else 0
        case OpCode.STORE:
            return operation.inputs[1].size
        case _:
            return 0


def _groups(plan: Plan, free: Numbers) -> dict[Label, tuple[ResultGroup, ...]]:
    """Results of a block together, but not across calls: what the callee writes down stands in between."""
    found: dict[Label, tuple[ResultGroup, ...]] = {}
    for block in plan.function.blocks:
        if block.label not in plan.layout.facts:
            continue  # it cannot be reached
        operations = plan.operations[block.label]
        ends = [i for i, operation in enumerate(operations) if operation.opcode in CALLS]
        results = list(_results(plan, block))
        groups: list[ResultGroup] = []
        for end in (*ends, len(operations)):
            part = [site for site in results if site.index < end]
            results = results[len(part) :]
            for start in range(0, len(part), _MOST_IN_GROUP):
                few = part[start : start + _MOST_IN_GROUP]
                before = end if len(few) < _MOST_IN_GROUP else few[-1].index + 1
                numbered = tuple(replace(site, number=free.result + k) for k, site in enumerate(few))
                groups.append(ResultGroup(free.group, before, numbered))
                free.group += 1
                free.result += len(few)
        found[block.label] = tuple(groups)
    return found


def _results(plan: Plan, block: Block) -> Iterator[ResultSite]:
    """What each instruction leaves in registers, without numbers. Flags, the stack pointer, addresses in the frame and
    whole vectors are no results."""
    where = instructions_of(plan, block)
    operations = plan.operations[block.label]
    in_frame = {
        name for name, fact in plan.layout.facts[block.label].items() if isinstance(fact, FrameAddress)
    }
    frame_temporaries: set[int] = set()
    last: dict[Cell, Varnode] = {}
    for index, operation in enumerate(operations):
        if operation.output is not None:
            _follow_frame(operation, in_frame, frame_temporaries)
            cell = cell_of(operation.output) if operation.output.space is Space.REGISTER else None
            if cell is not None and cell not in FLAG_CELLS:
                last.pop(cell, None)
                if cell.name != "rsp" and cell.name not in in_frame:
                    last[cell] = operation.output
        address = where[index]
        following = operations[index + 1] if index + 1 < len(operations) else None
        if following is not None and where[index + 1] == address and following.opcode not in CALLS:
            continue
        for cell, node in last.items():
            if node.size <= _SCALAR:
                yield ResultSite(0, address, cell.name, node.offset - cell.offset, node.size, index)
        last.clear()


def _follow_frame(operation: Operation, registers: set[str], temporaries: set[int]) -> None:
    """Which registers and temporaries hold an address in the function's own frame, after an operation."""
    output = operation.output
    assert output is not None

    def is_frame(node: Varnode) -> bool:
        if node.space is Space.UNIQUE:
            return node.offset in temporaries
        cell = cell_of(node) if node.space is Space.REGISTER else None
        return cell is not None and node.size == 8 and (cell.name in registers or cell.name == "rsp")

    moves = operation.opcode in (OpCode.COPY, OpCode.INT_ADD, OpCode.INT_SUB)
    yes = moves and any(is_frame(node) for node in operation.inputs)
    if output.space is Space.UNIQUE:
        (temporaries.add if yes else temporaries.discard)(output.offset)
        return
    cell = cell_of(output)
    if cell is not None:
        (registers.add if yes else registers.discard)(cell.name)


def _snapshots(plan: Plan, free: Numbers) -> dict[Label, SnapshotGroup]:
    found: dict[Label, SnapshotGroup] = {}
    for block in plan.function.blocks:
        facts = plan.layout.facts.get(block.label)
        if facts is None:
            continue
        live = plan.live[block.label]
        names = tuple(
            cell.name
            for cell in GPR_CELLS
            if cell.name != "rsp" and cell.name not in facts and live >> BASE[cell.name] & 0xFF == 0xFF
        )
        found[block.label] = SnapshotGroup(free.group, names)
        free.group += 1
    return found


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
