"""What one side holds at a point of its code, as terms, and how the states of paths that meet are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.domains.smt.build import (
    TRUE,
    and_,
    concat,
    const,
    extract,
    ite,
    memory,
    not_,
    or_,
    select,
    var,
    zext,
)
from burnish.domains.smt.terms import Op, Term
from burnish.domains.walker import Piece
from burnish.machine.registers import CELLS, FLAG_CELLS, Cell
from burnish.verify.engine.addresses import ENTRY_RSP, Frame, UndecidedAccessError, target
from burnish.verify.engine.cells import Cells, join_bytes

RETURN_ADDRESS = var("return address", 64)
ENTRY_MEMORY = memory("memory")
"""Memory of others at entry, the same for both sides."""

_FLAGS = frozenset(cell.name for cell in FLAG_CELLS)


def entry_value(cell: Cell, offset: int, size: int) -> Term:
    """Part of a register at entry: the same variable for both sides. The direction flag is clear."""
    if cell.name == "df":
        return const(0, 8)
    if cell.name in _FLAGS:
        return zext(var(cell.name, 1), 8)
    whole = ENTRY_RSP if cell.name == "rsp" else var(cell.name, 8 * cell.size)
    return extract(whole, 8 * offset, 8 * size)


@dataclass(slots=True)
class State:
    """Registers (pieces of cells; what no piece covers has its value at entry), temporaries, frame and memory.

    ``cells`` are the bytes of the frame at constant offsets from the stack pointer at entry; ``frame`` is the
    frame below them, a memory indexed by that offset; ``memory`` is all memory that is not in the frame. Bytes of the
    frame below ``garbage_below`` that are not in ``cells`` were left by calls: anything, at each read.
    """

    frame: Term
    memory: Term = ENTRY_MEMORY
    registers: dict[Cell, list[Piece[Term]]] = field(default_factory=dict[Cell, list[Piece[Term]]])
    temporaries: dict[int, tuple[int, Term]] = field(default_factory=dict[int, tuple[int, Term]])
    cells: Cells = field(default_factory=Cells)
    garbage_below: int | None = None
    seen: dict[int, Term] = field(default_factory=dict[int, Term])
    """What the memory is for each class of loads that does not see all stores (``pair.Unseen``); for others, as it is.
    """

    def copy(self) -> State:
        """An independent copy."""
        return State(
            self.frame,
            self.memory,
            {cell: list(pieces) for cell, pieces in self.registers.items()},
            dict(self.temporaries),
            self.cells.copy(),
            self.garbage_below,
            dict(self.seen),
        )

    def leave(self, memory: Term) -> None:
        """Another memory, in which anybody may have stored anything."""
        if memory is not self.memory:
            self.memory, self.seen = memory, {}

    def change(self, how: Callable[[Term], Term], hidden: frozenset[int] = frozenset()) -> None:
        """A store, which the classes ``hidden`` from it do not see."""
        for kind in hidden:
            self.seen.setdefault(kind, self.memory)
        self.memory = how(self.memory)
        self.seen = {kind: one if kind in hidden else how(one) for kind, one in self.seen.items()}

    def seen_by(self, kind: int | None) -> Term:
        """The memory as a class of loads sees it; as it is for None."""
        return self.memory if kind is None else self.seen.get(kind, self.memory)

    def register(self, name: str, size: int | None = None) -> Term:
        """The low bytes of a register, by the name of its cell; all of it without ``size``."""
        cell = CELLS[name]
        return read_register(self.registers, cell, 0, cell.size if size is None else size)

    def set_register(self, name: str, value: Term) -> None:
        """Replaces a whole register."""
        cell = CELLS[name]
        assert value.width == 8 * cell.size
        self.registers[cell] = [(0, cell.size, value)]

    def frame_byte(self, offset: int) -> Term:
        """One byte of the frame."""
        byte = self.cells.byte(offset)
        return select(self.frame, const(offset, 64)) if byte is None else byte

    def frame_value(self, offset: int, size: int) -> Term:
        """Bytes of the frame at a constant offset."""
        whole = self.cells.get(offset, size)
        return whole or join_bytes(self.frame_byte(offset + k) for k in range(size))


def read_register(registers: dict[Cell, list[Piece[Term]]], cell: Cell, offset: int, size: int) -> Term:
    """Part of a cell."""
    parts: list[Term] = []
    at, end = offset, offset + size
    for start, length, value in registers.get(cell, ()):
        if start >= end:
            break
        stop = start + length
        if stop <= at:
            continue
        if start > at:
            parts.append(entry_value(cell, at, start - at))
            at = start
        low, high = at - start, min(stop, end) - start
        parts.append(extract(value, 8 * low, 8 * (high - low)))
        at = start + high
    if at < end:
        parts.append(entry_value(cell, at, end - at))
    return concat(*reversed(parts))


def entry_state(side: str, stack_bytes: int) -> State:
    """What a function finds at its entry: its frame is unknown, and the side's own; return address and arguments on the
    stack are shared."""
    state = State(memory(f"{side}.frame"))
    state.cells.put(0, RETURN_ADDRESS)
    for offset in range(8, 8 + stack_bytes, 8):
        state.cells.put(offset, var(f"stack {offset}", 64))
    return state


def depth(state: State) -> int:
    """The stack pointer as an offset from the one at entry. Raises ``UndecidedAccessError`` where it is none."""
    where = target(state.register("rsp"))
    if not isinstance(where, Frame) or where.base is not ENTRY_RSP or not isinstance(where.offset, int):
        raise UndecidedAccessError("a stack pointer that is not at a known depth")
    return where.offset


def literals(condition: Term) -> frozenset[Term]:
    """The conjuncts of a condition."""
    if condition is TRUE:
        return frozenset()
    return frozenset(condition.args if condition.op is Op.AND else (condition,))


def _conjunction(parts: frozenset[Term]) -> Term:
    return and_(*sorted(parts, key=id)) if parts else TRUE


def joined_condition(conditions: Sequence[Term]) -> Term:
    """The disjunction of conditions. Where two differ in one conjunct that one has and the other negates, that is left
    out."""
    sets = [literals(condition) for condition in conditions]
    while len(sets) > 1:
        pair = _complementary(sets)
        if pair is None:
            break
        first, second, rest = pair
        sets = [s for s in sets if s not in (first, second)] + [rest]
    if len(sets) == 1:
        return _conjunction(sets[0])
    common = _common(sets)
    return and_(_conjunction(common), or_(*(_conjunction(s - common) for s in sets)))


def _common(sets: Sequence[frozenset[Term]]) -> frozenset[Term]:
    found = sets[0]
    for one in sets[1:]:
        found &= one
    return found


def _complementary(
    sets: Sequence[frozenset[Term]],
) -> tuple[frozenset[Term], frozenset[Term], frozenset[Term]] | None:
    for index, first in enumerate(sets):
        for second in sets[index + 1 :]:
            if first <= second or second <= first:
                return first, second, min(first, second, key=len)
            one, other = first - second, second - first
            if len(one) == len(other) == 1 and not_(next(iter(one))) is next(iter(other)):
                return first, second, first & second
    return None


def join_states(incoming: Sequence[tuple[Term, State]]) -> tuple[Term, State]:
    """The condition and state of paths that meet. Their conditions exclude each other."""
    if len(incoming) == 1:
        return incoming[0]
    sets = [literals(condition) for condition, _ in incoming]
    common = _common(sets)
    guards = [_conjunction(s - common) for s in sets]
    states = [state for _, state in incoming]

    def choose(values: Sequence[Term]) -> Term:
        result = values[-1]
        for guard, value in zip(reversed(guards[:-1]), reversed(values[:-1]), strict=True):
            result = ite(guard, value, result)
        return result

    joined = State(choose([s.frame for s in states]), choose([s.memory for s in states]))
    marks = [s.garbage_below for s in states if s.garbage_below is not None]
    joined.garbage_below = max(marks, default=None)
    for kind in {kind for state in states for kind in state.seen}:
        joined.seen[kind] = choose([state.seen_by(kind) for state in states])
    _join_registers(joined, states, choose)
    _join_cells(joined, states, choose)
    for offset, (size, _) in states[0].temporaries.items():
        found = [s.temporaries.get(offset) for s in states]
        values = [entry[1] for entry in found if entry is not None and entry[0] == size]
        if len(values) == len(states):
            joined.temporaries[offset] = (size, choose(values))
    return joined_condition([condition for condition, _ in incoming]), joined


Choose = Callable[[Sequence[Term]], Term]


def _join_registers(joined: State, states: Sequence[State], choose: Choose) -> None:
    for cell in {cell for state in states for cell in state.registers}:
        lists = [state.registers.get(cell, []) for state in states]
        if all(pieces == lists[0] for pieces in lists):
            joined.registers[cell] = lists[0]
            continue
        shapes = {tuple((start, size) for start, size, _ in pieces) for pieces in lists}
        if len(shapes) == 1:
            joined.registers[cell] = [
                (start, size, choose([pieces[k][2] for pieces in lists]))
                for k, (start, size, _) in enumerate(lists[0])
            ]
        else:
            values = [read_register(state.registers, cell, 0, cell.size) for state in states]
            joined.registers[cell] = [(0, cell.size, choose(values))]


def _join_cells(joined: State, states: Sequence[State], choose: Choose) -> None:
    whole = {(offset, value.width) for state in states for offset, value in state.cells.items()}
    for offset, width in sorted(whole):
        if joined.cells.get(offset, width // 8) is None:
            values = [state.frame_value(offset, width // 8) for state in states]
            joined.cells.put(offset, choose(values))


def unwritten(side: str) -> Term:
    """What the frame of a side, ``a`` or ``b``, holds at first, where locals are shared: it is each side's own."""
    return memory(f"{side}.unwritten")


def constant_memory(name: str) -> Term:
    """The memory that stands for the bytes of a constant object, by offset."""
    return memory(f"constant {name}")
