"""The layout of a function: its frame, its stack arguments, and which registers hold pointers at each block.

Runs ``ProvenanceDomain`` over all blocks to a fixed point, checks the calling convention, and joins the evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.core.code import Block, Function, Label, Reason, Refused, Return, TailCall, successors
from burnish.core.pcode import OpCode, Operation
from burnish.domains.walker import Walker
from burnish.machine.registers import CALLEE_SAVED, CELLS, INTEGER_ARGUMENTS
from burnish.recompile.bits import BASE
from burnish.recompile.calls import CallSummary
from burnish.recompile.liveness import Summarise
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
_STACK_OBJECT = 512
"""Bytes granted to stack arguments whose address is taken, and so whose extent is unknown."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``low`` is the frame offset of the lowest byte of the frame (congruent to 8 modulo 16, as the stack pointer
    at entry is); ``stack_bytes`` the extent of the stack arguments. ``facts`` gives for each block the registers
    with a known distance from the stack pointer at entry, ``pointers`` the leaves that are pointers.
    ``outgoing`` gives for each call ``(block, operation index)`` the frame offset of its stack arguments and their
    extent in bytes."""

    low: int
    stack_bytes: int
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
        if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
            _call(operation, index, domain, walker, summarise(operation))
        else:
            walker.step(operation)
            if domain.found.stack_lost is None and operation.output is not None:
                stack = walker.read_cell(CELLS["rsp"], 0, 8)
                if not isinstance(stack, FrameAddress):
                    domain.found.stack_lost = index
    if isinstance(block.terminator, TailCall):
        _leave(domain, walker, summarise(block.terminator))
    exits = {cell.name: walker.read_cell(cell, 0, 8) for cell in GENERAL}
    exits |= {slot_name(offset): EntryValue(register) for offset, register in domain.saved.items()}
    return _Walked(domain.found, exits)


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
        domain.found.events.append(("call", index, stack.offset))
    for cell in GENERAL:
        if summary.clobbers >> BASE[cell.name] & 1:
            result = cell.name in ("rax", "rdx")
            leaf = (domain.label, index if cell.name == "rax" else -1_000_000 - index)
            walker.write_cell(cell, 0, 8, Unknown(leaf) if result else NUMBER)


def _leave(domain: ProvenanceDomain, walker: Walker[Shape], summary: CallSummary) -> None:
    """Frame addresses in argument registers escape to the callee."""
    for name in INTEGER_ARGUMENTS:
        if summary.arguments >> BASE[name] & 1:
            shape = walker.read_cell(CELLS[name], 0, 8)
            if isinstance(shape, FrameAddress):
                domain.found.escapes.add(shape.offset)


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
        escapes |= found.escapes
        lows += [shape.offset for shape in result.exits.values() if isinstance(shape, FrameAddress)]
        lows += [stack for kind, _, stack in found.events if kind == "call"]
    if any(offset >= 8 for offset in escapes):
        highs.append(8 + _STACK_OBJECT)
    low = min(lows + list(escapes)) - (RED_ZONE if escapes else 0)
    low -= (low - 8) % 16
    outgoing = _outgoing(function, operations, walked, summarise, escapes)
    if isinstance(outgoing, Refused):
        return outgoing
    opaque = any(result.evidence.opaque for result in walked.values())
    pointers = _pointers(function, facts, walked, guess=not escapes)
    return Layout(low, max(0, max(highs) - 8), opaque, facts, pointers, outgoing)


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


def _outgoing(
    function: Function,
    operations: Mapping[Label, Sequence[Operation]],
    walked: Mapping[Label, _Walked],
    summarise: Summarise,
    escapes: set[int],
) -> dict[tuple[Label, int], tuple[int, int]] | Refused:
    """Where each call's stack arguments lie, and how many bytes they are."""
    outgoing: dict[tuple[Label, int], tuple[int, int]] = {}
    guessed: set[tuple[Label, int]] = set()
    strings = {offset for result in walked.values() for offset in result.evidence.string_targets}
    for block in function.blocks:
        result = walked.get(block.label)
        if result is None:
            continue
        for kind, index, stack in result.evidence.events:
            if kind != "call":
                continue
            summary = summarise(operations[block.label][index])
            if summary.stack_bytes is None:
                if stack in strings:
                    return Refused(Reason.STACK_ARGUMENTS, block.label.address)
                guessed.add((block.label, index))
            elif summary.stack_bytes:
                outgoing[block.label, index] = (stack, summary.stack_bytes)
    if guessed:
        outgoing.update(_guess_stack_arguments(function, walked, guessed, escapes))
    return outgoing


def _guess_stack_arguments(
    function: Function,
    walked: Mapping[Label, _Walked],
    calls: set[tuple[Label, int]],
    escapes: set[int],
) -> dict[tuple[Label, int], tuple[int, int]]:
    """Stack arguments of calls to functions that we know nothing of.

    Slots upward from the stack pointer that were written since the last call on some path, and that nobody reads
    after this one: the callee owns its argument area, so a slot that is read afterwards is not in it. Too many
    are harmless (they are copied for nothing), too few are not; slots from the lowest escaped address on count as
    read, since they belong to an object of the caller.
    """
    events = {label: walked[label].evidence.events for label in walked}
    following = {b.label: [s for s in successors(b.terminator) if s in walked] for b in function.blocks}
    order = [b.label for b in function.blocks if b.label in walked]
    reads: dict[Label, set[int]] = {label: set() for label in order}
    writes: dict[Label, set[int]] = {label: set() for label in order}
    changed = True
    while changed:
        changed = False
        for label in reversed(order):
            live = set[int]().union(*(reads[s] for s in following[label]))
            for kind, offset, size in reversed(events[label]):
                if kind == "read":
                    live |= _slots(offset, size)
                elif kind == "write" and size >= 8:
                    live -= _slots(offset, size)
            if live != reads[label]:
                reads[label], changed = live, True
        for label in order:
            recent = _recent_writes(events[label], writes[label])[1]
            for successor in following[label]:
                if not recent <= writes[successor]:
                    writes[successor] |= recent
                    changed = True
    limit = min((o for o in escapes if o < 8), default=8)
    found: dict[tuple[Label, int], tuple[int, int]] = {}
    for label, index in sorted(calls):
        stack = next(s for k, i, s in events[label] if k == "call" and i == index)
        position = events[label].index(("call", index, stack))
        before, _ = _recent_writes(events[label][:position], writes[label])
        after = set[int]().union(*(reads[s] for s in following[label]))
        for kind, offset, size in reversed(events[label][position + 1 :]):
            if kind == "read":
                after |= _slots(offset, size)
            elif kind == "write" and size >= 8:
                after -= _slots(offset, size)
        end = stack
        slot = stack
        while slot < min(limit if limit > stack else 8, 0):
            if slot in before and slot not in after:
                end = slot + 8
            elif slot + 8 not in before or slot in after:
                break
            slot += 8
        if end > stack:
            found[label, index] = (stack, end - stack)
    return found


def _slots(offset: int, size: int) -> set[int]:
    return set(range(offset - offset % 8, offset + size, 8))


def _recent_writes(events: Sequence[tuple[str, int, int]], start: set[int]) -> tuple[set[int], set[int]]:
    """Slots written since the last call, as a copy for the caller to keep and one to hand on."""
    recent = set(start)
    for kind, offset, size in events:
        if kind == "write":
            recent |= _slots(offset, size)
        elif kind == "call":
            recent = set[int]()
    return recent, set(recent)
