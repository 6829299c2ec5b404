"""Functions with the code of their callees in place of the calls, so that loops of either are loops of one function.

One compiler keeps a call where another puts the callee's code in line, loop and all. A call becomes what the processor
makes of it: a push of the return address, which is an object of its own of which nothing is known, and a jump; a return
goes back where what it pops is that address, and has no meaning else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.core.code import (
    Block,
    Branch,
    Function,
    Instruction,
    Jump,
    Label,
    Return,
    Switch,
    TailCall,
    Terminator,
    Unreachable,
)
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.registers import gpr
from burnish.verify.engine.library import known_here
from burnish.verify.pair import Copy, DataObject, Declared, Pair, Place, Side, Site

Names = tuple[frozenset[str], frozenset[str]]
"""Names of callees of each side."""

NONE: Names = (frozenset(), frozenset())
_DEEPEST = 4
_MOST_BLOCKS = 400
_ROUNDS = 8
_TOKENS = 1 << 44
"""Image addresses that stand for return addresses, from here on: no code lies there."""
_UNIQUE = 1 << 40
"""Temporaries that no instruction has."""
_COPY, _BACK, _ASTRAY, _ONWARD = 10_000, 5_000, 7_000, 8_000
"""Added to the part of labels: for each copy of a callee; where it goes on after a call; where it goes wrong; where it
calls what it jumped to."""


def called_directly(side: Side) -> frozenset[str]:
    """Names of the functions that a side's own code calls or jumps to."""
    return _called(side, side.function)


def _called(side: Side, function: Function) -> frozenset[str]:
    found: set[str] = set()
    for block in function.blocks:
        targets = [op.inputs[0] for op in block.operations if op.opcode is OpCode.CALL]
        if isinstance(block.terminator, TailCall):
            targets.append(block.terminator.target)
        for target in targets:
            callee = side.callees.get(target.offset) if target.space is Space.RAM else None
            if callee is not None:
                found.add(callee.name)
    return frozenset(found)


def known_bodies(side: Side) -> frozenset[str]:
    """Names of the callees whose code is known, or what they do."""
    bodies = frozenset(side.callees[address].name for address in side.bodies if address in side.callees)
    return bodies | known_here(side)


def only_one_side(pair: Pair) -> Names:
    """Callees with known code that the other side never calls: its compiler may have put them in line. What they call
    in turn the other side calls by itself then, and it stays a call."""
    sides = pair.original, pair.rewrite
    known = known_bodies(sides[0]), known_bodies(sides[1])
    names: Names = NONE
    for _ in range(_ROUNDS):
        now = spliced(pair, names)
        calls = called_directly(now.original), called_directly(now.rewrite)
        alone = (calls[0] - calls[1]) & known[0] - names[0], (calls[1] - calls[0]) & known[1] - names[1]
        first = alone[0] - _reached(sides[1], alone[1]), alone[1] - _reached(sides[0], alone[0])
        more = first if any(first) else alone
        if not any(more):
            break
        names = names[0] | more[0], names[1] | more[1]
    return names


def _reached(side: Side, names: frozenset[str]) -> frozenset[str]:
    """Names of the functions that those call, directly or through others of which the code is known."""
    bodies = {
        side.callees[address].name: body for address, body in side.bodies.items() if address in side.callees
    }
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        body = bodies.get(waiting.pop())
        more = frozenset[str]() if body is None else _called(side, body) - found
        found |= more
        waiting += more
    return frozenset(found)


def spliced(pair: Pair, names: Names) -> Pair:
    """The pair with the callees of those names in line. Calls that are too deep, or too many, stay."""
    if not any(names):
        return pair
    return replace(
        pair,
        original=_Splicer(pair.original, names[0], "original").side(),
        rewrite=_Splicer(pair.rewrite, names[1], "rewrite").side(),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a copy of a callee goes back to. ``names`` are those of the callees that it stands in, its own last;
    ``address`` is where the callee begins, ``caller`` where the one that calls it does, with the number of its copy."""

    part: int = 0
    token: int = 0
    back: Label | None = None
    names: tuple[str, ...] = ()
    address: int = 0
    caller: tuple[int, int] | None = None


@dataclass(slots=True)
class _Splicer:
    source: Side
    names: frozenset[str]
    tag: str
    _blocks: list[Block] = field(default_factory=list[Block])
    _tokens: dict[int, Place] = field(default_factory=dict[int, Place])
    _copies: dict[int, int] = field(default_factory=dict[int, int])
    _labels: dict[Label, Copy] = field(default_factory=dict[Label, Copy])
    _starts: dict[Label, Site] = field(default_factory=dict[Label, Site])
    """Where each block begins that is another's, or a part of one."""
    _instructions: dict[int, Instruction] = field(default_factory=dict[int, Instruction])
    _left: int = _MOST_BLOCKS

    def side(self) -> Side:
        function = self.source.function
        self._copy(function, _Frame())
        executed = self.source.executed | (self.names & known_here(self.source))
        if not self._copies:
            return replace(self.source, executed=executed) if executed else self.source
        instructions = tuple(self._instructions[address] for address in sorted(self._instructions))
        whole = replace(function, blocks=tuple(self._blocks), instructions=instructions)
        places: Mapping[int, Place] = {**self.source.places, **self._tokens}
        return replace(
            self.source,
            function=whole,
            places=places,
            copies=self._labels,
            executed=executed,
            unset=self._unset,
            declared=self._declared,
        )

    def _unset(self, site: Site) -> frozenset[str]:
        return self.source.unset(self._site(site))

    def _declared(self, site: Site) -> Declared | None:
        return self.source.declared(self._site(site))

    def _site(self, site: Site) -> Site:
        """A call where it stood before."""
        label, index = site
        before, start = self._starts.get(label, (label, 0))
        return before, start + index

    def _copy(self, function: Function, frame: _Frame) -> None:
        self._left -= len(function.blocks)
        self._instructions |= {one.address: one for one in function.instructions}
        waiting: list[tuple[Function, _Frame]] = []
        for block in function.blocks:
            made = list(self._block(block, frame, waiting))
            self._blocks += made
            if frame.names:
                entry = _entry(function, frame)
                number = frame.part // _COPY
                for one in made:
                    is_entry = one.label == entry
                    self._labels[one.label] = Copy(function.address, number, is_entry, frame.caller)
        for callee, inner in waiting:
            self._copy(callee, inner)

    def _block(self, block: Block, frame: _Frame, waiting: list[tuple[Function, _Frame]]) -> Iterator[Block]:
        """The block, cut at the calls that become jumps."""
        label = _moved(block.label, frame.part)
        start = 0
        self._starts[label] = block.label, start
        for index, operation in enumerate(block.operations):
            callee = self._body(operation, frame) if operation.opcode is OpCode.CALL else None
            if callee is None:
                continue
            address = _address_at(block, index)
            back = Label(address, frame.part + _BACK + index)
            inner = self._frame(callee, operation.inputs[0].offset, frame, back)
            waiting.append((callee, inner))
            operations = (*block.operations[start:index], *_push(inner.token))
            yield Block(label, operations, Jump(_entry(callee, inner)), _marks(block, start, index))
            label, start = back, index + 1
            self._starts[label] = block.label, start
        end = block.terminator
        operations = block.operations[start:]
        marks = _marks(block, start, len(block.operations) + 1)
        if isinstance(end, TailCall) and (callee := self._tail_body(end, frame)) is not None:
            inner = self._frame(callee, end.target.offset, frame, None)
            waiting.append((callee, inner))
            yield Block(label, operations, Jump(_entry(callee, inner)), marks)
        elif isinstance(end, Return) and frame.back is not None:
            yield from _going_back(block, operations, frame, frame.back, label, marks)
        elif isinstance(end, TailCall) and frame.back is not None:
            # What is jumped to goes back where the copy does: it is called from there.
            onward = Label(block.label.address, frame.part + _ONWARD + block.label.part)
            self._starts[onward] = block.label, len(block.operations)
            yield from _going_back(block, operations, frame, onward, label, marks)
            opcode = OpCode.CALL if end.target.space is Space.RAM else OpCode.CALLIND
            call = Operation(opcode, None, (end.target,))
            yield Block(onward, (call,), Jump(frame.back), ((_address_at(block, len(block.operations)), 0),))
        else:
            yield Block(label, operations, _moved_end(end, frame.part), marks)

    def _body(self, operation: Operation, frame: _Frame) -> Function | None:
        """The code of what is called, where it is to be put in line."""
        return self._known(operation.inputs[0], frame)

    def _tail_body(self, end: TailCall, frame: _Frame) -> Function | None:
        return self._known(end.target, frame)

    def _known(self, target: Varnode, frame: _Frame) -> Function | None:
        callee = self.source.callees.get(target.offset) if target.space is Space.RAM else None
        body = self.source.bodies.get(target.offset)
        if callee is None or body is None or callee.name not in self.names:
            return None
        if len(frame.names) >= _DEEPEST or callee.name in frame.names or len(body.blocks) > self._left:
            return None
        return body

    def _frame(self, callee: Function, target: int, caller: _Frame, back: Label | None) -> _Frame:
        """For one more copy. One that is jumped to goes back where its caller does."""
        number = self._copies.get(callee.address, 0)
        self._copies[callee.address] = number + 1
        name = self.source.callees[target].name
        names = (*caller.names, name)
        part = _COPY * number
        home = (caller.address, caller.part // _COPY) if caller.names else None
        if back is None:
            return _Frame(part, caller.token, caller.back, names, callee.address, home)
        token = _TOKENS + len(self._tokens)
        thing = DataObject(f"return address {len(self._tokens)} of the {self.tag}", 1)
        self._tokens[token] = Place(thing, 0)
        return _Frame(part, token, back, names, callee.address, home)


def _going_back(
    block: Block,
    operations: Sequence[Operation],
    frame: _Frame,
    back: Label,
    label: Label,
    marks: tuple[tuple[int, int], ...],
) -> Iterator[Block]:
    """The end of a block with these operations that goes on at ``back`` where the return address is the caller's."""
    astray = Label(block.label.address, frame.part + _ASTRAY + block.label.part)
    holds = Varnode(Space.UNIQUE, _UNIQUE + 16, 1)
    yield Block(label, (*operations, *_pop(frame.token)), Branch(holds, back, astray), marks)
    nothing = Operation(OpCode.CALLOTHER, None, (Varnode(Space.CONST, 0, 8),))
    yield Block(astray, (nothing,), Unreachable(trap=True), ())


def _entry(callee: Function, frame: _Frame) -> Label:
    return _moved(callee.blocks[0].label, frame.part)


def _moved(label: Label, part: int) -> Label:
    return Label(label.address, label.part + part)


def _moved_end(end: Terminator, part: int) -> Terminator:
    match end:
        case Jump(target):
            return Jump(_moved(target, part))
        case Branch(condition, taken, fallthrough):
            return Branch(condition, _moved(taken, part), _moved(fallthrough, part))
        case Switch(targets=targets, cases=cases):
            return replace(
                end,
                targets=tuple(_moved(label, part) for label in targets),
                cases=tuple((value, _moved(label, part)) for value, label in cases),
            )
        case _:
            return end


def _address_at(block: Block, index: int) -> int:
    """The address of the instruction that an operation belongs to."""
    return max((a for a, first in block.marks if first <= index), default=block.label.address)


def _marks(block: Block, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """The marks of the operations from ``start`` up to ``end``, counted from there."""
    return tuple((address, index - start) for address, index in block.marks if start <= index < end)


def _push(token: int) -> Sequence[Operation]:
    rsp, address = gpr("rsp"), Varnode(Space.UNIQUE, _UNIQUE, 8)
    return (
        Operation(OpCode.ADDRESS, address, (Varnode(Space.CONST, token, 8),)),
        Operation(OpCode.INT_SUB, rsp, (rsp, Varnode(Space.CONST, 8, 8))),
        Operation(OpCode.STORE, None, (rsp, address)),
    )


def _pop(token: int) -> Sequence[Operation]:
    rsp, address = gpr("rsp"), Varnode(Space.UNIQUE, _UNIQUE, 8)
    popped, holds = Varnode(Space.UNIQUE, _UNIQUE + 8, 8), Varnode(Space.UNIQUE, _UNIQUE + 16, 1)
    return (
        Operation(OpCode.LOAD, popped, (rsp,)),
        Operation(OpCode.INT_ADD, rsp, (rsp, Varnode(Space.CONST, 8, 8))),
        Operation(OpCode.ADDRESS, address, (Varnode(Space.CONST, token, 8),)),
        Operation(OpCode.INT_EQUAL, holds, (popped, address)),
    )
