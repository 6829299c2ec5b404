"""What registers hold at the start of each block where that is one constant, or a fixed distance from where RSP stood
on entry: table addresses that were loaded early, and the depth of the stack.

A forward data-flow analysis over the lattice: not reached, one value, any value.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from burnish.core.code import Block, Label, successors
from burnish.core.pcode import Varnode
from burnish.images.slices import Slices
from burnish.images.terms import Apply, Const, Input, Memory, Sum, Term, Unknown, add, apply
from burnish.machine.registers import GPR_CELLS, gpr

_RSP = Input(gpr("rsp"))
_REGISTERS = tuple(cell.varnode for cell in GPR_CELLS)
_State = dict[Varnode, Term]


class Reaching:
    """Solved when first asked. Terms are constants, or sums over what RSP held on entry."""

    def __init__(self, slices: Slices) -> None:
        self._slices = slices

    def resolved(self, term: Term, label: Label) -> Term:
        """``term``, over what holds where the block ``label`` begins, with what is known put in."""
        return _put_in(term, self._states.get(label, {}))

    def stack_depth(self, block: Block) -> int | None:
        """RSP where ``block`` ends minus RSP on entry to the function; None if that is not one number."""
        state = self._states.get(block.label)
        if state is None:
            return None
        return _distance(_transferred(self._slices.at_end(block, _RSP.node), state))

    @cached_property
    def _states(self) -> Mapping[Label, _State]:
        slices = self._slices
        states: dict[Label, _State] = {slices.entry: {_RSP.node: _RSP}}
        waiting = [slices.entry]
        while waiting:
            label = waiting.pop()
            block, state = slices.blocks[label], states[label]
            after: _State = {}
            for node in _REGISTERS:
                value = _transferred(slices.at_end(block, node), state)
                if value is not None:
                    after[node] = value
            for successor in successors(block.terminator):
                old = states.get(successor)
                if successor == slices.entry:
                    old = states[successor]
                new = after if old is None else {n: v for n, v in old.items() if after.get(n) == v}
                if old is None or len(new) != len(old):
                    states[successor] = dict(new)
                    waiting.append(successor)
        return states


def _transferred(term: Term, state: Mapping[Varnode, Term]) -> Term | None:
    """The value of ``term`` if it is one of the lattice's."""
    match term:
        case Const():
            return term
        case Input(node):
            return state.get(node)
        case Sum(constant, parts, size) if len(parts) == 1:
            ((part, factor),) = parts
            base = _transferred(part, state) if factor == 1 else None
            return None if base is None else add(size, constant, ((base, 1),))
        case _:
            return None


def _distance(term: Term | None) -> int | None:
    match term:
        case Input() if term == _RSP:
            return 0
        case Sum(constant, parts) if parts == frozenset(((_RSP, 1),)):
            return constant - (1 << 64) if constant >> 63 else constant
        case _:
            return None


def _put_in(term: Term, state: Mapping[Varnode, Term]) -> Term:
    match term:
        case Input(node):
            value = state.get(node)
            return value if isinstance(value, Const) else term
        case Memory(address, size, moment):
            return Memory(_put_in(address, state), size, moment)
        case Sum(constant, parts, size):
            return add(size, constant, [(_put_in(part, state), factor) for part, factor in parts])
        case Apply(opcode, operands, size):
            return apply(opcode, tuple(_put_in(operand, state) for operand in operands), size)
        case Const() | Unknown():
            return term
