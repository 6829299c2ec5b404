"""Registers that nobody has set where a function calls another: they hold none of the callee's arguments.

What a register holds at entry is anything, unless the function's own type puts an argument there; and what a call
leaves in a register that it may change is anything, unless its result is there. A register that holds one or the other
on all paths to a call is unset there: under the System V ABI neither caller nor callee can tell what is in it.

This is about each register by itself. Whether the callee has arguments in those after it is not said: a structure that
is passed in registers may have a part that nobody has set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from burnish.core.code import Block, Function, Label, TailCall, successors
from burnish.core.pcode import OpCode, Operation, Space
from burnish.machine.registers import INTEGER_ARGUMENTS, RETURNS, VECTOR_ARGUMENTS, cell_of
from burnish.verify.pair import Callee, Side, Site

_ALL = frozenset((*INTEGER_ARGUMENTS, *VECTOR_ARGUMENTS, "rax"))
"""Registers in which arguments are passed: in ``rax`` the number of those in vector registers."""
_INTEGERS = frozenset(INTEGER_ARGUMENTS)
_NONE = frozenset[str]()
_ZEROES = frozenset((OpCode.INT_XOR, OpCode.INT_SUB))
"""Operations whose result is 0 on twice the same."""
_CALLS = frozenset((OpCode.CALL, OpCode.CALLIND))
_STRINGS = frozenset((OpCode.REP_STOS, OpCode.REP_MOVS))


class UnsetAtCalls:
    """The argument registers that are unset at each call of a side's function, and of those that it calls, those of
    them that are any. ``arguments`` has the registers in which the function at an address has its own arguments, None
    where that is not known. Nothing is looked into before it is asked for."""

    def __init__(self, side: Side, arguments: Callable[[int], Sequence[str] | None]) -> None:
        self._side = side
        self._arguments = arguments
        self._known: dict[int, dict[Site, frozenset[str]]] = {}

    def __call__(self, site: Site) -> frozenset[str]:
        home = self._homes.get(site[0])
        if home is None:
            return _NONE
        if home.address not in self._known:
            self._known[home.address] = _unset(self._side, home, self._arguments(home.address))
        return self._known[home.address].get(site, _NONE)

    @cached_property
    def _homes(self) -> dict[Label, Function]:
        """The function that each block is part of; none for code that is part of two."""
        found: dict[Label, Function] = {}
        shared: set[int] = set()
        for function in (self._side.function, *self._side.bodies.values()):
            for block in function.blocks:
                other = found.setdefault(block.label, function)
                if other.address != function.address:
                    shared |= {other.address, function.address}
        return {label: function for label, function in found.items() if function.address not in shared}


def _unset(side: Side, function: Function, arguments: Sequence[str] | None) -> dict[Site, frozenset[str]]:
    untyped = _at_calls(side, function, _ALL)
    at_entry = _ALL if arguments is None else _ALL.intersection(arguments)
    if at_entry == _ALL or _reads_unset(side, function, _reaching(side, function, at_entry)):
        return untyped
    found = _at_calls(side, function, at_entry)
    if not arguments:
        # A function that is declared without any may be one that passes on all, whatever they are.
        found = {
            site: unset & untyped.get(site, _NONE) if _is_jump(function, site) else unset
            for site, unset in found.items()
        }
    return {site: unset for site, unset in found.items() if unset}


def _at_calls(side: Side, function: Function, at_entry: frozenset[str]) -> dict[Site, frozenset[str]]:
    """The registers that are unset at calls, where those at entry are set."""
    before = _reaching(side, function, at_entry)
    sites = (
        site
        for block in function.blocks
        if block.label in before
        for site in _sites(side, block, before[block.label])
    )
    return {site: _ALL - are_set for site, are_set in sites if are_set != _ALL}


def _is_jump(function: Function, site: Site) -> bool:
    return site[1] == len(function.block(site[0]).operations)


def _reads_unset(side: Side, function: Function, before: Mapping[Label, frozenset[str]]) -> bool:
    """True if the code looks into integer registers that are said to be unset: its arguments are elsewhere, then."""
    for block in function.blocks:
        are_set = before.get(block.label, _ALL)
        for operation in block.operations:
            one_only = len(set(operation.inputs)) == 1 and operation.opcode in _ZEROES
            for node in () if one_only or operation.opcode in _CALLS else operation.inputs:
                cell = cell_of(node) if node.space is Space.REGISTER else None
                if cell is not None and cell.name in _INTEGERS and cell.name not in are_set:
                    return True
            are_set = _after(side, operation, are_set)
    return False


def _reaching(side: Side, function: Function, at_entry: frozenset[str]) -> Mapping[Label, frozenset[str]]:
    """The registers that are set on some path, at the beginning of each block that control gets to."""
    blocks = {block.label: block for block in function.blocks}
    found: dict[Label, frozenset[str]] = {function.blocks[0].label: at_entry}
    waiting = [function.blocks[0].label]
    while waiting:
        label = waiting.pop()
        after = found[label]
        for operation in blocks[label].operations:
            after = _after(side, operation, after)
        for following in successors(blocks[label].terminator):
            known = found.get(following)
            more = after if known is None else known | after
            if more != known and following in blocks:
                found[following] = more
                waiting.append(following)
    return found


def _sites(side: Side, block: Block, are_set: frozenset[str]) -> Iterator[tuple[Site, frozenset[str]]]:
    """The calls in a block, and the registers that are set there."""
    for index, operation in enumerate(block.operations):
        if operation.opcode in _CALLS:
            yield (block.label, index), are_set
        are_set = _after(side, operation, are_set)
    if isinstance(block.terminator, TailCall):
        yield (block.label, len(block.operations)), are_set


def _after(side: Side, operation: Operation, are_set: frozenset[str]) -> frozenset[str]:
    """The registers that are set after an operation."""
    match operation.opcode:
        case OpCode.CALL:
            address = operation.inputs[0].offset
            callee = side.callees.get(address)
            if callee is None:
                return _ALL
            # Compilers keep values over calls of functions whose code they see.
            kept = frozenset[str]() if side.is_replaceable(address) else are_set
            return kept | _results(callee)
        case OpCode.CALLIND:
            return frozenset(RETURNS)
        case OpCode.CALLOTHER:
            return _ALL
        case opcode if opcode in _STRINGS:
            return are_set | {"rdi", "rsi", "rcx"}
        case _:
            node = operation.output
            if node is None or node.space is not Space.REGISTER:
                return are_set
            cell = cell_of(node)
            return are_set if cell is None or cell.name not in _ALL else are_set | {cell.name}


def _results(callee: Callee) -> frozenset[str]:
    names = {name for name, _ in callee.results}
    return frozenset({*names, "rax"} if callee.returned else names)
