"""What is known of registers at the start of each block, whatever the way to it.

That is: one constant (the address of a table that was loaded early), a fixed distance from where RSP stood on entry
(the depth of the stack), or an upper half that is zero (so that a bound of the lower half bounds the register). A
forward data-flow analysis over the lattice: not reached, one value, upper half zero, anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cached_property

from burnish.core.code import Block, Label, successors
from burnish.core.pcode import Varnode
from burnish.images.intervals import interval
from burnish.images.slices import Slices
from burnish.images.terms import (
    Apply,
    Const,
    Input,
    Memory,
    Sum,
    Term,
    Unknown,
    add,
    apply,
    mask,
    truncate,
    zero_extend,
)
from burnish.machine.registers import gpr

_RSP = Input(gpr("rsp"))


class _Narrow(Enum):
    """A register whose upper half is zero."""

    NARROW = 4


_Known = Term | _Narrow
_State = dict[Varnode, _Known]
_HALF = 4


class Reaching:
    """Solved when first asked."""

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
        return _distance(_value(self._slices.at_end(block, _RSP.node), state))

    @cached_property
    def _states(self) -> Mapping[Label, _State]:
        slices = self._slices
        states: dict[Label, _State] = {slices.entry: {_RSP.node: _RSP}}
        waiting = [slices.entry]
        while waiting:
            label = waiting.pop()
            block, state = slices.blocks[label], states[label]
            after: _State = {}
            for node, term in slices.registers_at_end(block):
                known = _after(term, state)
                if known is not None:
                    after[node] = known
            for successor in successors(block.terminator):
                old = states.get(successor)
                new = after if old is None else _meet(old, after)
                if new != old:
                    states[successor] = dict(new)
                    waiting.append(successor)
        return states


def _after(term: Term, state: Mapping[Varnode, _Known]) -> _Known | None:
    """What is known of ``term``, over what held where a block begins."""
    match term:
        case Input(node):
            return state.get(node)
        case Const():
            return term
        case Unknown() | Memory() if term.size > _HALF:
            return None
        case _:
            pass
    value = _value(term, state)
    if value is not None:
        return value
    return _Narrow.NARROW if interval(_put_in(term, state), ()).high <= mask(_HALF) else None


def _value(term: Term, state: Mapping[Varnode, _Known]) -> Term | None:
    """The value of ``term`` if it is a constant or a distance from RSP on entry."""
    match term:
        case Const():
            return term
        case Input(node):
            known = state.get(node)
            return None if isinstance(known, _Narrow) else known
        case Sum(constant, parts, size) if len(parts) == 1:
            ((part, factor),) = parts
            base = _value(part, state) if factor == 1 else None
            return None if base is None else add(size, constant, ((base, 1),))
        case _:
            return None


def _meet(left: _State, right: _State) -> _State:
    """What holds on both ways."""
    found: _State = {}
    for node, known in left.items():
        other = right.get(node)
        if other == known:
            found[node] = known
        elif other is not None and _is_narrow(known) and _is_narrow(other):
            found[node] = _Narrow.NARROW
    return found


def _is_narrow(known: _Known) -> bool:
    match known:
        case Const(value):
            return value <= mask(_HALF)
        case _Narrow():
            return True
        case _:
            return False


def _distance(term: Term | None) -> int | None:
    match term:
        case Input() if term == _RSP:
            return 0
        case Sum(constant, parts) if parts == frozenset(((_RSP, 1),)):
            return constant - (1 << 64) if constant >> 63 else constant
        case _:
            return None


def _put_in(term: Term, state: Mapping[Varnode, _Known]) -> Term:
    match term:
        case Input(node):
            match state.get(node):
                case Const() as value:
                    return value
                case _Narrow():
                    return zero_extend(truncate(term, _HALF), node.size)
                case _:
                    return term
        case Memory(address, size, moment):
            return Memory(_put_in(address, state), size, moment)
        case Sum(constant, parts, size):
            return add(size, constant, [(_put_in(part, state), factor) for part, factor in parts])
        case Apply(opcode, operands, size):
            return apply(opcode, tuple(_put_in(operand, state) for operand in operands), size)
        case Const() | Unknown():
            return term
