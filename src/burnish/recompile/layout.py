"""The layout of a function: its frame, its stack arguments, and which registers hold pointers at each block.

Runs ``ProvenanceDomain`` over all blocks to a fixed point, checks the calling convention, and joins the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from burnish.core.code import Block, Function, Label, Reason, Refused, Return, TailCall, successors
from burnish.core.pcode import OpCode, Operation
from burnish.domains.walker import Walker
from burnish.machine.registers import CALLEE_SAVED, CELLS, INTEGER_ARGUMENTS, INTEGER_RETURNS
from burnish.recompile.bits import BASE
from burnish.recompile.calls import CallSummary
from burnish.recompile.liveness import Summarise
from burnish.recompile.outgoing import stack_arguments
from burnish.recompile.provenance import (
    GENERAL,
    NUMBER,
    EntryValue,
    Evidence,
    FrameAddress,
    FrameDerived,
    ImageAddress,
    Leaf,
    ProvenanceDomain,
    Shape,
    Unknown,
    entry_facts,
    slot_name,
)

RED_ZONE = 128
_STACK_POINTER = CELLS["rsp"].varnode
_STACK_OBJECT = 1 << 20
"""Bytes granted to stack arguments whose extent is unknown. They are not copied: it only tells LLVM how far an access
may go."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``low`` is the frame offset of the lowest byte of the frame (congruent to 8 modulo 16, as the stack pointer
    at entry is). ``stack_bytes`` is the extent of the stack arguments; where they are ``open_ended`` (an address in
    them is computed, or known elsewhere) it is only no less. ``facts`` gives for each block the registers with a
    known distance from the stack pointer at entry, ``pointers`` the leaves that are pointers. ``outgoing`` gives
    for each call ``(block, operation index)`` the frame offset of its stack arguments and their extent in bytes.
    """

    low: int
    stack_bytes: int
    open_ended: bool
    opaque_frame: bool
    facts: Mapping[Label, Mapping[str, Shape]]
    pointers: frozenset[Leaf]
    outgoing: Mapping[tuple[Label, int], tuple[int, int]]


@dataclass(slots=True)
class _Walked:
    evidence: Evidence
    exits: dict[str, Shape]


def lay_out(
    function: Function,
    operations: Mapping[Label, Sequence[Operation]],
    live_in: Mapping[Label, int],
    summarise: Summarise,
) -> Layout | Refused:
    """Analyse a function whose ``operations`` (per block, dead ones removed) and live registers are given."""
    facts, walked = _fixed_point(function, operations, summarise)
    if isinstance(walked, Refused):
        return walked
    refused = _convention(function, walked)
    if refused is not None:
        return refused
    _escape_at_joins(function, facts, walked, live_in)
    return _join(function, operations, facts, walked, summarise)


def _fixed_point(
    function: Function,
    operations: Mapping[Label, Sequence[Operation]],
    summarise: Summarise,
) -> tuple[dict[Label, dict[str, Shape]], dict[Label, _Walked] | Refused]:
    blocks = {block.label: block for block in function.blocks}
    first = function.blocks[0].label
    facts: dict[Label, dict[str, Shape]] = {first: entry_facts()}
    walked: dict[Label, _Walked] = {}
    pending = [first]
    while pending:
        label = pending.pop()
        block = blocks[label]
        result = _walk(block, operations[label], facts[label], summarise)
        walked[label] = result
        if not isinstance(result.exits.get("rsp"), FrameAddress):
            index = result.evidence.stack_lost or 0
            return facts, Refused(Reason.STACK_DEPTH, _address(block, index))
        known: dict[str, Shape] = {
            n: s for n, s in result.exits.items() if isinstance(s, FrameAddress | EntryValue)
        }
        for successor in successors(block.terminator):
            before = facts.get(successor)
            if before is None:
                facts[successor] = known
                pending.append(successor)
                continue
            after = {n: s for n, s in before.items() if known.get(n) == s}
            if "rsp" not in after:
                return facts, Refused(Reason.STACK_DEPTH, successor.address, "paths meet at two depths")
            if after != before:
                facts[successor] = after
                pending.append(successor)
    return facts, walked


def _address(block: Block, index: int) -> int:
    """The instruction that operation ``index`` of the *stripped* block is nearest to: its block's start."""
    del index
    return block.label.address


def _walk(
    block: Block,
    operations: Sequence[Operation],
    facts: dict[str, Shape],
    summarise: Summarise,
) -> _Walked:
    domain = ProvenanceDomain(block.label, facts)
    walker: Walker[Shape] = Walker(domain)
    for index, operation in enumerate(operations):
        domain.index = index
        domain.pops = _pops(operation, operations[index + 1 : index + 2])
        if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
            _call(operation, index, domain, walker, summarise(operation))
        else:
            walker.step(operation)
            stack = walker.read_cell(CELLS["rsp"], 0, 8)
            if domain.found.stack_lost is None and not isinstance(stack, FrameAddress):
                domain.found.stack_lost = index
    if isinstance(block.terminator, TailCall):
        _leave(domain, walker, summarise(block.terminator))
    exits = {cell.name: walker.read_cell(cell, 0, 8) for cell in GENERAL}
    exits |= {slot_name(offset): EntryValue(register) for offset, register in domain.saved.items()}
    return _Walked(domain.found, exits)


def _pops(operation: Operation, following: Sequence[Operation]) -> bool:
    """Whether an operation is the load of a ``pop``: from the stack pointer, which then moves up."""
    return operation.opcode is OpCode.LOAD and any(
        operation.inputs[0] == o.output == o.inputs[0] == _STACK_POINTER and o.opcode is OpCode.INT_ADD
        for o in following
    )


def _call(
    operation: Operation,
    index: int,
    domain: ProvenanceDomain,
    walker: Walker[Shape],
    summary: CallSummary,
) -> None:
    if operation.opcode is OpCode.CALLIND:
        target = walker.read(operation.inputs[0])
        if isinstance(target, FrameAddress | EntryValue):
            domain.use(target)
    _leave(domain, walker, summary)
    stack = walker.read_cell(CELLS["rsp"], 0, 8)
    if isinstance(stack, FrameAddress):
        domain.found.events.append(("call", stack.offset, index))
    first = walker.read_cell(CELLS["rdi"], 0, 8)
    if summary.fills and isinstance(first, FrameAddress):
        domain.found.events.append(("fill", first.offset, index))
    for cell in GENERAL:
        if summary.clobbers >> BASE[cell.name] & 1:
            result = cell.name in ("rax", "rdx")
            leaf = (domain.label, index if cell.name == "rax" else -1_000_000 - index)
            walker.write_cell(cell, 0, 8, Unknown(leaf) if result else NUMBER)


def _leave(domain: ProvenanceDomain, walker: Walker[Shape], summary: CallSummary) -> None:
    """Frame addresses in argument registers escape to the callee, and nothing else that was there at entry belongs
    there: but for RAX, that is pushed and popped to move the stack pointer."""
    for name in INTEGER_ARGUMENTS:
        if summary.arguments >> BASE[name] & 1:
            shape = walker.read_cell(CELLS[name], 0, 8)
            if isinstance(shape, FrameAddress):
                domain.found.escapes.add(shape.offset)
            elif isinstance(shape, EntryValue) and shape.register != "rax":
                domain.use(shape)


def _convention(function: Function, walked: Mapping[Label, _Walked]) -> Refused | None:
    for block in function.blocks:
        result = walked.get(block.label)
        if result is None:
            continue
        found = result.evidence
        if found.misuse is not None:
            register, _ = found.misuse
            reason = Reason.VARIADIC if register == "rax" else Reason.CONVENTION
            return Refused(reason, block.label.address, f"reads {register} as it was at entry")
        for offset, size in (*found.frame_reads, *((o, s) for o, s, _ in found.frame_writes)):
            if offset < 8 and offset + size > 0:
                return Refused(Reason.RETURN_ADDRESS, block.label.address)
        if any(0 <= offset < 8 for offset in found.escapes):
            return Refused(Reason.RETURN_ADDRESS, block.label.address)
        if isinstance(block.terminator, Return | TailCall):
            if result.exits["rsp"] != FrameAddress(0):
                return Refused(Reason.STACK_DEPTH, block.label.address, "returns at another depth")
            for register in CALLEE_SAVED:
                if result.exits[register] != EntryValue(register):
                    detail = f"does not restore {register}"
                    return Refused(Reason.CONVENTION, block.label.address, detail)
            for register in INTEGER_RETURNS:
                shape = result.exits[register]
                if isinstance(shape, EntryValue) and shape.register != "rax":
                    detail = f"returns {shape.register} as it was at entry"
                    return Refused(Reason.CONVENTION, block.label.address, detail)
    return None


def _escape_at_joins(
    function: Function,
    facts: Mapping[Label, Mapping[str, Shape]],
    walked: Mapping[Label, _Walked],
    live_in: Mapping[Label, int],
) -> None:
    """A register that holds a frame address on one path and something else on another is a plain pointer from
    there on."""
    for block in function.blocks:
        result = walked.get(block.label)
        if result is None:
            continue
        for name, shape in result.exits.items():
            if not isinstance(shape, FrameAddress):
                continue
            for successor in successors(block.terminator):
                if name not in facts[successor] and live_in[successor] >> BASE[name] & 0xFF:
                    result.evidence.escapes.add(shape.offset)


def _join(
    function: Function,
    operations: Mapping[Label, Sequence[Operation]],
    facts: Mapping[Label, Mapping[str, Shape]],
    walked: Mapping[Label, _Walked],
    summarise: Summarise,
) -> Layout | Refused:
    lows, highs, escapes = [0], [0], set[int]()
    for result in walked.values():
        found = result.evidence
        accesses = [(o, s) for o, s in found.frame_reads] + [(o, s) for o, s, _ in found.frame_writes]
        lows += [o for o, _ in accesses]
        highs += [o + s for o, s in accesses if o >= 8]
        escapes |= found.escapes | found.indexed
        lows += [shape.offset for shape in result.exits.values() if isinstance(shape, FrameAddress)]
        lows += [stack for kind, stack, _ in found.events if kind == "call"]
    open_ended = any(offset >= 8 for offset in escapes)
    if open_ended:
        highs.append(8 + _STACK_OBJECT)
    if open_ended and any(isinstance(block.terminator, TailCall) for block in function.blocks):
        return Refused(Reason.STACK_ARGUMENTS, function.address, "and it passes them on")
    if _may_index_stack_arguments(walked.values(), open_ended):
        return Refused(Reason.STACK_ARGUMENTS, function.address, "an index may lead there from the frame")
    low = min(lows + list(escapes)) - (RED_ZONE if escapes else 0)
    low -= (low - 8) % 16
    events = {label: result.evidence.events for label, result in walked.items()}
    outgoing = stack_arguments(function, operations, events, summarise, frozenset(escapes))
    opaque = any(result.evidence.opaque for result in walked.values())
    pointers = _pointers(function, facts, walked, guess=not escapes)
    return Layout(low, max(0, max(highs) - 8), open_ended, opaque, facts, pointers, outgoing)


def _may_index_stack_arguments(walked: Iterable[_Walked], open_ended: bool) -> bool:
    """Whether an address in the frame plus an index may be one of a stack argument: compilers fold a loop's first
    index into the displacement. Frame and stack arguments are two objects to LLVM."""
    found = [result.evidence for result in walked]
    indexed = {offset for evidence in found for offset in evidence.indexed if offset < 8}
    if any(evidence.crossed for evidence in found) or (open_ended and indexed):
        return bool(indexed)
    if any(evidence.indexed_write for evidence in found):
        return False
    known = {offset for evidence in found for offset in evidence.escapes}
    known |= {o for e in found for o, _, shape in e.frame_writes if not isinstance(shape, EntryValue)}
    return any(all(not offset <= other < 8 for other in known) for offset in indexed)


def _pointers(
    function: Function,
    facts: Mapping[Label, Mapping[str, Shape]],
    walked: Mapping[Label, _Walked],
    *,
    guess: bool,
) -> frozenset[Leaf]:
    """Leaves that are pointers: used as the base of an address, or joined with one that is, along any edge."""
    parent: dict[Leaf, Leaf] = {}

    def find(leaf: Leaf) -> Leaf:
        root = leaf
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[leaf] != root:
            parent[leaf], leaf = root, parent[leaf]
        return root

    certain: set[Leaf] = set()
    for block in function.blocks:
        result = walked.get(block.label)
        if result is None:
            continue
        certain |= result.evidence.pointers
        for successor in successors(block.terminator):
            known = facts.get(successor, {})
            for name, shape in result.exits.items():
                if name in known:
                    continue
                leaf: Leaf = (successor, name)
                match shape:
                    case Unknown(source):
                        parent[find(leaf)] = find(source)
                    case FrameAddress() | FrameDerived() | ImageAddress():
                        certain.add(leaf)
                    case _:
                        pass
    roots = {find(leaf) for leaf in certain}
    if guess:
        for result in walked.values():
            for left, right in result.evidence.sums:
                if find(left) not in roots and find(right) not in roots:
                    roots.add(find(left))
    return frozenset(leaf for leaf in parent if find(leaf) in roots) | certain
