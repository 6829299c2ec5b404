"""Where indirect jumps lead: through a table, or out of the function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from burnish.core.code import Block, Label, Reason, Refused, Switch, TailCall
from burnish.core.image import Access, FunctionBounds, Image
from burnish.core.pcode import OpCode, Space, Varnode
from burnish.images.jump_tables import Table, Tables
from burnish.images.reaching import Reaching
from burnish.images.slices import HEAVY, Memo, Slices
from burnish.images.terms import Input, Memory, Sum, Term, weight

if TYPE_CHECKING:
    import numpy as np

Answer = Switch | TailCall | Refused

_MAX_DISPATCHERS = 512
"""Places at which the target of one shared jump may have been read from its table …"""

_MAX_WAY = 6
"""… and blocks between such a place and the jump."""


def resolve(
    image: Image,
    bounds: FunctionBounds,
    blocks: Sequence[Block],
    jumps: Mapping[int, Varnode],
    holds: Callable[[int], bool],
    memory: Memo,
) -> dict[int, Answer]:
    """What each jump of ``jumps`` (its address, and the varnode with its target) does, as far as ``blocks``, the
    function's so far, tell. Unresolved jumps end their blocks with a ``Switch`` without targets or with the answer
    of an earlier round. ``holds`` says whether an address may be code of the function; ``memory`` is handed in again
    in later rounds."""
    slices = Slices.of(blocks, memory)
    reaching = Reaching(slices)
    tables = Tables(image, slices, reaching, holds)
    ending = {block.marks[-1][0]: block for block in blocks if block.marks}
    return {
        address: _resolve(tables, bounds, ending[address], address, selector)
        for address, selector in jumps.items()
    }


def _resolve(tables: Tables, bounds: FunctionBounds, block: Block, address: int, selector: Varnode) -> Answer:
    target = tables.slices.at_end(block, selector)
    table = tables.table(block, target)
    if table is not None:
        return _switch(tables, block, selector, table)
    targets = _targets_of_dispatchers(tables, block, target)
    if targets:
        return Switch(selector, tuple(Label(t) for t in dict.fromkeys(targets)))
    reason = _why_no_tail_call(tables, bounds, block, target)
    return Refused(Reason.UNRESOLVED_JUMP, address, reason) if reason else TailCall(selector)


def _switch(tables: Tables, block: Block, selector: Varnode, table: Table) -> Switch:
    labels = [(value, Label(target)) for value, target in table.entries]
    targets = tuple(dict.fromkeys(label for _, label in labels))
    holder = _holder(tables, block, table.index)
    if holder is not None:
        return Switch(selector, targets, holder, tuple(labels))
    node, after = _last_holder(tables, block, table.index)
    return Switch(selector, targets, node, tuple(labels) if node is not None else (), after)


def _holder(tables: Tables, block: Block, index: Term) -> Varnode | None:
    """A varnode that holds ``index`` where the block ends; a register if there is one."""
    nodes = dict.fromkeys(
        node
        for op in reversed(block.operations)
        for node in (op.output, *op.inputs)
        if node is not None and node.size == index.size and node.space in (Space.REGISTER, Space.UNIQUE)
    )
    for node in sorted(nodes, key=lambda n: n.space):
        if _holds_index(tables, block, node, index):
            return node
    return None


def _last_holder(tables: Tables, block: Block, index: Term) -> tuple[Varnode | None, int | None]:
    """The last place in a block at which something holds ``index``: what does, and the number of operations before that
    place. ``(None, None)`` if there is none. Code often loads the target into the register of the index, which may have
    got its value in the block that compares it with its bound."""
    for after in range(len(block.operations), -1, -1):
        made = block.operations[after - 1].output if after else None
        read = block.operations[after].inputs if after < len(block.operations) else ()
        for node in (made, *read):
            if node is None or node.size != index.size or node.space not in (Space.REGISTER, Space.UNIQUE):
                continue
            if _holds_index(tables, replace(block, operations=block.operations[:after]), node, index):
                return node, after
    return None, None


def _holds_index(tables: Tables, block: Block, node: Varnode, index: Term) -> bool:
    return tables.reaching.resolved(tables.slices.at_end(block, node), block.label) == index


def _targets_of_dispatchers(tables: Tables, block: Block, target: Term) -> list[int]:
    """The targets where the jump is shared: each way to it has read its target from a table before. Empty if any
    way has not."""
    if not _is_carried(target):
        return []
    targets: list[int] = []
    seen: set[tuple[Label, Term]] = set()
    waiting = [(block, target, 0)]
    while waiting:
        here, term, distance = waiting.pop()
        if here.label == tables.slices.entry or weight(term) > HEAVY:
            return []
        for before in tables.slices.predecessors[here.label]:
            earlier = tables.slices.before(term, before)
            if (before.label, earlier) in seen:
                continue
            seen.add((before.label, earlier))
            table = tables.table(before, earlier)
            if table is not None:
                targets.extend(place for _, place in table.entries)
            elif _is_carried(earlier) and distance < _MAX_WAY and len(seen) < _MAX_DISPATCHERS:
                waiting.append((before, earlier, distance + 1))
            else:
                return []
    return targets


def _is_carried(target: Term) -> bool:
    """True for a target that the block did not compute itself."""
    match target:
        case Input():
            return True
        case Memory(moment=None):
            return True
        case _:
            return False


def _why_no_tail_call(tables: Tables, bounds: FunctionBounds, block: Block, target: Term) -> str:
    """Why the jump may lead elsewhere than to another function; empty if it cannot.

    Positive evidence is asked for: the stack is as on entry, the target is a pointer as it came from memory, a
    register or a call (mangled at most, as ``atexit`` handlers are), and no address inside this function is stored
    or computed anywhere, so that the pointer cannot be one.
    """
    if isinstance(target, Sum):
        return "a computed target"
    if tables.reaching.stack_depth(block) != 0:
        return "not with the stack as on entry"
    if any(tables.holds(entry) and entry != bounds.address for entry in tables.first_entries(block, target)):
        return "a table without a bound"
    if _has_labels(tables, bounds):
        return "addresses inside the function are taken"
    return ""


def _has_labels(tables: Tables, bounds: FunctionBounds) -> bool:
    """True if an address in the middle of the function is in data or is computed by its code."""
    low, high = bounds.address + 1, bounds.end
    pointers = _code_pointers(tables.image)
    start = int(pointers.searchsorted(low))
    if start < len(pointers) and int(pointers[start]) < high:
        return True
    for block in tables.slices.blocks.values():
        for op in block.operations:
            if op.opcode in (OpCode.CALL, OpCode.LOAD):
                continue
            for node in op.inputs:
                if node.space is Space.CONST and node.size >= 4 and low <= node.offset < high:
                    return True
    return False


@lru_cache(maxsize=8)
def _code_pointers(image: Image) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """All aligned words of data that are addresses of code, sorted."""
    import numpy as np

    code = [s for s in image.segments if Access.EXECUTE in s.access]
    found: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = [np.zeros(0, np.uint64)]
    for segment in image.segments:
        if Access.EXECUTE in segment.access:
            continue
        skip = -segment.address % 8
        words = np.frombuffer(segment.data, np.uint64, (len(segment.data) - skip) // 8, skip)
        for span in code:
            found.append(words[(words >= span.address) & (words < span.end)])
    return np.unique(np.concatenate(found))
