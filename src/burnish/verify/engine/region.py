"""A region: all paths from one point of a function to the next points of interest, executed over terms.

Points of interest are cuts (loop heads, chosen by the caller), calls, returns and traps. Paths that meet are joined, so
that the work is linear in the code; with ``joining`` off each path is an exit of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import assert_never

from burnish.core.code import (
    Block,
    Branch,
    Jump,
    Label,
    Return,
    Switch,
    TailCall,
    Unreachable,
    successors,
)
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.domains.smt.build import FALSE, TRUE, add, and_, const, eq, ite, ne, not_, or_, var, zext
from burnish.domains.smt.meaning import truth
from burnish.domains.smt.terms import Op, Term
from burnish.domains.walker import Walker
from burnish.machine.flags import ALWAYS, UndefinedResult, undefined_flags, undefined_results
from burnish.machine.registers import CELLS, gpr
from burnish.verify.engine.addresses import OBJECT, UndecidedAccessError
from burnish.verify.engine.escape import leaving, needs_alignment
from burnish.verify.engine.execute import Interpreter, Log, Names, UnmodelledError
from burnish.verify.engine.frames import OWN_VIEW, View
from burnish.verify.engine.library import is_no_event, without_event
from burnish.verify.engine.points import (
    AtCall,
    AtReturn,
    AtTrap,
    AtUnknown,
    Exit,
    Point,
    Region,
    Where,
    behind,
    decisions,
    exit_at,
    is_cut,
    merged,
)
from burnish.verify.engine.stacked import Stacked
from burnish.verify.engine.state import State, depth, join_states
from burnish.verify.engine.strings import REPEATED, as_call
from burnish.verify.pair import BY_ADDRESS, MOST_CLASSES, Callee, Side, Unseen

_PATHS = 256
"""Paths of a region that is not joined, at most."""
_OFTEN = 64
"""Operations between two looks at the time."""
_DEEPEST = 4
"""Calls of calls that are executed in line, at most."""
_FUNCTION = "function "
_ASTRAY = "returns to another address than the caller's"
"""What a side does where its code says nothing (``loops.splice``); what has no meaning is refused before."""


class CyclicError(UnmodelledError):
    """A loop without a cut."""


@dataclass(slots=True)
class Executor:
    """Executes regions of one side. ``stack_bytes`` is the extent of its arguments on the stack. Calls of
    functions named in ``inline`` whose bodies are known are executed as well, as if they stood in line."""

    side: Side
    names: Names
    stack_bytes: int = 0
    joining: bool = True
    inline: frozenset[str] = frozenset()
    view: View = OWN_VIEW
    on_time: Callable[[], None] = lambda: None
    """Raises an error of its own when the time is up; asked now and then."""
    stacked: Stacked = field(init=False, repr=False)
    unseen: Unseen = field(init=False, repr=False)
    _blocks: dict[Label, Block] = field(init=False, repr=False)
    _raw: dict[int, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        functions = (*self.side.bodies_of(self.inline), self.side.function)
        self.stacked = Stacked(self.side, functions)
        self._blocks = {block.label: block for function in functions for block in function.blocks}
        instructions = {one.address: one for function in functions for one in function.instructions}
        self._raw = {at: self.side.image.read(at, one.size) or b"" for at, one in instructions.items()}
        self.unseen = self.side.unseen(self._raw).first(MOST_CLASSES)

    @property
    def entry(self) -> Point:
        """Where the function begins."""
        return Point(self.side.function.blocks[0].label)

    def run(self, state: State, start: Point, cuts: frozenset[Label] = frozenset()) -> Region:
        """All paths from ``start`` to the next cut, call or return. ``state`` is not changed.

        Raises ``UnmodelledError`` and ``UndecidedAccessError`` for what cannot be said in terms.
        """
        log = Log()
        interpreter = Interpreter(self.side, self.names, log, self.stack_bytes, self.view, self.unseen)
        exits: list[Exit] = []
        if self.joining:
            self._joined(interpreter, state, start, cuts, exits)
        else:
            self._separate(interpreter, state, start, cuts, exits)
        found = Region(tuple(merged(exits) if self.joining else exits), log)
        shared = self.view.shared
        if shared and (leaving(decisions(found), shared) or needs_alignment(log.accesses, shared)):
            raise UndecidedAccessError("what it does depends on where its frame lies")
        return found

    def _joined(
        self, interpreter: Interpreter, state: State, start: Point, cuts: frozenset[Label], exits: list[Exit]
    ) -> None:
        incoming: dict[Point, list[tuple[Term, State]]] = {start: [(TRUE, state)]}
        for point in self._order(start, cuts):
            arriving = incoming.pop(point, [])
            if not arriving:
                continue
            condition, joined = join_states(arriving)
            for edge, where, after in self._block(interpreter, joined.copy(), condition, point):
                if isinstance(where, Point) and not is_cut(where, cuts):
                    incoming.setdefault(where, []).append((edge, after))
                else:
                    exits.append(exit_at(edge, where, after))

    def _separate(
        self, interpreter: Interpreter, state: State, start: Point, cuts: frozenset[Label], exits: list[Exit]
    ) -> None:
        self._order(start, cuts)
        stack = [(TRUE, state, start)]
        while stack:
            condition, before, point = stack.pop()
            for edge, where, after in self._block(interpreter, before.copy(), condition, point):
                if isinstance(where, Point) and not is_cut(where, cuts):
                    stack.append((edge, after, where))
                else:
                    exits.append(exit_at(edge, where, after))
            if len(stack) + len(exits) > _PATHS:
                raise UnmodelledError(f"more than {_PATHS} paths")

    def _order(self, start: Point, cuts: frozenset[Label]) -> list[Point]:
        """Points in an order in which every edge leads on. Raises ``CyclicError``."""
        done: dict[Point, bool] = {}
        order: list[Point] = []
        stack: list[tuple[Point, bool]] = [(start, False)]
        while stack:
            point, leaving = stack.pop()
            if leaving:
                done[point] = True
                order.append(point)
                continue
            if point in done:
                continue
            done[point] = False
            stack.append((point, True))
            for following in self._following(point):
                if is_cut(following, cuts):
                    continue
                if done.get(following) is False or following == point:
                    raise CyclicError("a loop")
                if following not in done:
                    stack.append((following, False))
        return order[::-1]

    def _following(self, point: Point) -> Sequence[Point]:
        block = self._blocks[point.label]
        for index, op in enumerate(block.operations[point.operation :], point.operation):
            if op.opcode in (OpCode.CALL, OpCode.CALLIND):
                if self._is_computation(op.inputs[0], point.callers):
                    continue  # mostly it goes on from there
                entry = self._in_line(op.inputs[0], point.callers) if op.opcode is OpCode.CALL else None
                return (
                    ()
                    if entry is None
                    else (Point(entry, 0, (*point.callers, point._replace(operation=index + 1))),)
                )
        match block.terminator:
            case Return() if point.callers:
                return (point.callers[-1],)
            case TailCall(to):
                entry = self._in_line(to, point.callers)
                if entry is None:
                    return point.callers[-1:] if self._is_computation(to, point.callers) else ()
                return (Point(entry, 0, point.callers),)
            case _:
                return [Point(label, 0, point.callers) for label in successors(block.terminator)]

    def _in_line(self, to: Varnode, callers: tuple[Point, ...]) -> Label | None:
        """Where to go on for a call that is executed in line, or None."""
        if to.space is not Space.RAM or len(callers) >= _DEEPEST:
            return None
        callee = self.side.callees.get(to.offset)
        if callee is None or callee.name not in self.inline or self.side.is_replaceable(to.offset):
            return None
        body = self.side.bodies.get(to.offset)
        return None if body is None else body.blocks[0].label

    def _block(
        self, interpreter: Interpreter, state: State, condition: Term, point: Point
    ) -> Iterator[tuple[Term, Point | Where, State]]:
        """Executes from a point to the end of its block, or to a call. Changes ``state``."""
        block = self._blocks[point.label]
        if point.operation == 0:
            self.stacked.begin(point.label, state.register("rsp"))
        interpreter.state, interpreter.condition = state, condition
        walker: Walker[Term] = Walker(interpreter)
        walker.registers = state.registers
        for offset, (size, value) in state.temporaries.items():
            walker.write(Varnode(Space.UNIQUE, offset, size), value)
        marks = {index: address for address, index in block.marks}
        address = block.marks[0][0] if block.marks else block.label.address
        for index, operation in enumerate(block.operations):
            here = marks.get(index)
            if here is not None:
                if index > point.operation:
                    self._forget_undefined(walker, address)
                address = here
            if index < point.operation:
                continue
            if index % _OFTEN == 0:
                self.on_time()
            interpreter.raw, interpreter.at = self._raw.get(address, b""), address
            if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
                where = self._call(walker, operation, point._replace(operation=index + 1), address)
                if isinstance(where, AtCall):
                    self.stacked.call(point, walker.read(gpr("rsp")), where.callee)
                    where = replace(where, site=(block.label, index))
                after = self._computed(operation.inputs[0], where, interpreter)
                if after is None:
                    yield condition, where, state
                    return
                state.registers, state.cells, state.temporaries = after.registers, after.cells, {}
                state.garbage_below = after.garbage_below
                walker.registers = state.registers
                walker.forget_temporaries()
                continue
            if operation.opcode is OpCode.CALLOTHER:
                yield condition, AtUnknown(_ASTRAY), state
                return
            if operation.opcode in REPEATED and (string := as_call(operation, walker, self.view)) is not None:
                state.temporaries = dict(walker.temporaries)
                yield condition, AtCall(string, None, point._replace(operation=index + 1), address), state
                return
            walker.step(operation)
        if block.marks:
            self._forget_undefined(walker, address)
        state.temporaries = dict(walker.temporaries)
        yield from self._edges(walker, block, interpreter, point.callers)

    def _forget_undefined(self, walker: Walker[Term], address: int) -> None:
        """What the instruction at ``address`` leaves undefined becomes unknown."""
        flags, results = _undefined(self._raw.get(address, b""))
        for result in results:
            unknown = self.names.fresh("undefined result", 8 * result.register.size)
            holds = truth(walker.read(CELLS[result.flag].varnode))
            walker.write(result.register, ite(holds, unknown, walker.read(result.register)))
        for name in flags:
            walker.write_cell(CELLS[name], 0, 1, zext(self.names.fresh(f"undefined {name}", 1), 8))

    def _call(
        self, walker: Walker[Term], operation: Operation, resume: Point, address: int
    ) -> Point | AtCall:
        node = operation.inputs[0]
        if operation.opcode is not OpCode.CALL:
            return self._called(walker.read(node), resume, address)
        entry = self._in_line(node, resume.callers)
        if entry is not None:
            top = add(walker.read(gpr("rsp")), const(-8, 64))
            walker.write(gpr("rsp"), top)
            callers = (*resume.callers, resume)
            self.stacked.enter(node.offset, callers, top)
            walker.domain.store(top, self._return_to(resume), 8)
            return Point(entry, 0, callers)
        return AtCall(self._known(node.offset), None, resume, address, node.offset)

    def _is_computation(self, to: Varnode, callers: tuple[Point, ...]) -> bool:
        """True for a call that may be no event (``engine.pure``, ``engine.library``): of what is known by its address
        in the code alone."""
        callee = self.side.callees.get(to.offset) if to.space is Space.RAM else None
        if callee is None or self._in_line(to, callers) is not None:
            return False
        return is_no_event(callee, self.inline | self.side.executed)

    def _computed(self, to: Varnode, where: Point | Where, interpreter: Interpreter) -> State | None:
        """The state after such a call; None for any other."""
        if to.space is not Space.RAM or not isinstance(where, AtCall):
            return None
        return without_event(where, interpreter, self.inline | self.side.executed)

    def _known(self, address: int) -> Callee:
        callee = self.side.callees.get(address)
        if callee is None:
            raise UnmodelledError(f"a call to {address:#x}, of which nothing is known")
        return callee

    def _called(self, called: Term, resume: Point | None, address: int) -> AtCall:
        if called.op is Op.VAR and called.name.startswith(OBJECT):
            # What another file defines has no mark that it is a function.
            name = called.name.removeprefix(OBJECT).removeprefix(_FUNCTION)
            for callee in self.side.callees.values():
                if callee.name == name:
                    return AtCall(callee, None, resume, address)
        return AtCall(BY_ADDRESS, called, resume, address)

    def _edges(
        self, walker: Walker[Term], block: Block, interpreter: Interpreter, callers: tuple[Point, ...]
    ) -> Iterator[tuple[Term, Point | Where, State]]:
        state, condition = interpreter.state, interpreter.condition
        match block.terminator:
            case Jump(to):
                yield condition, Point(to, 0, callers), state
            case Branch(chosen, taken, fallthrough):
                holds = self.view.outward(truth(walker.read(chosen)))
                for edge, to in ((holds, taken), (not_(holds), fallthrough)):
                    if (met := and_(condition, edge)) is not FALSE:
                        yield met, Point(to, 0, callers), state if edge is not holds else state.copy()
            case Switch():
                yield from self._cases(walker, block.terminator, condition, state, callers)
            case Return():
                if callers:
                    self._pop(walker, state, callers[-1])
                yield condition, callers[-1] if callers else AtReturn(), state
            case TailCall(to):
                where = self._tail(walker, to, block, state, callers)
                if isinstance(where, AtCall):
                    where = replace(where, site=(block.label, len(block.operations)))
                after = self._computed(to, where, interpreter)
                yield (condition, where, state) if after is None else (condition, behind(where), after)
            case Unreachable(trap):
                yield condition, AtTrap(trap), state
            case _:
                assert_never(block.terminator)

    def _tail(
        self, walker: Walker[Term], to: Varnode, block: Block, state: State, callers: tuple[Point, ...]
    ) -> Point | AtCall:
        """A jump to another function: a call, and a return after it."""
        entry = self._in_line(to, callers)
        if entry is not None:
            self.stacked.enter(to.offset, callers, walker.read(gpr("rsp")))
            return Point(entry, 0, callers)
        address = block.label.address
        called = None if to.space is Space.RAM else walker.read(to)
        if callers:
            self._pop(walker, state, callers[-1])
        resume = callers[-1] if callers else None
        if called is None:
            return AtCall(self._known(to.offset), None, resume, address, to.offset)
        return self._called(called, resume, address)

    def _return_to(self, point: Point) -> Term:
        """The return address of a call in line: nothing is known of it, and each side has its own."""
        return var(
            f"{self.names.prefix}: return to {point.label}+{point.operation} at depth {len(point.callers)}",
            64,
        )

    def _pop(self, walker: Walker[Term], state: State, caller: Point) -> None:
        """Return from a callee in line: the return address must be the one that was pushed."""
        if state.frame_value(depth(state), 8) is not self._return_to(caller):
            raise UnmodelledError("a return to another address than the caller's")
        walker.write(gpr("rsp"), add(walker.read(gpr("rsp")), const(8, 64)))

    def _cases(
        self,
        walker: Walker[Term],
        switch: Switch,
        condition: Term,
        state: State,
        callers: tuple[Point, ...],
    ) -> Iterator[tuple[Term, Point | Where, State]]:
        if switch.index is None:
            raise UnmodelledError("a jump through a table whose index was not recovered")
        index = walker.read(switch.index)
        by_label: dict[Label, list[Term]] = {}
        for value, label in switch.cases:
            by_label.setdefault(label, []).append(eq(index, const(value, index.width)))
        for label, values in by_label.items():
            if (met := and_(condition, or_(*values))) is not FALSE:
                yield met, Point(label, 0, callers), state.copy()
        outside = and_(condition, *(ne(index, const(value, index.width)) for value, _ in switch.cases))
        if outside is not FALSE:
            yield outside, AtTrap(certain=False), state


@lru_cache(maxsize=1 << 14)
def _undefined(raw: bytes) -> tuple[tuple[str, ...], tuple[UndefinedResult, ...]]:
    """The flags and results that an instruction leaves undefined."""
    return tuple(sorted(undefined_flags(raw) - ALWAYS)), undefined_results(raw)
