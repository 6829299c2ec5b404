"""One side's straight-line code over terms: what it does to a state, what it accesses, where it may fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from burnish.core.pcode import OpCode, Operation
from burnish.domains.smt.build import (
    FALSE,
    add,
    and_,
    const,
    extract,
    ite,
    ne,
    not_,
    or_,
    store,
    ule,
    var,
)
from burnish.domains.smt.meaning import apply, faults
from burnish.domains.smt.terms import Op, Term
from burnish.domains.walker import Walker
from burnish.machine.encoding import Map, decode
from burnish.machine.registers import CELLS, Cell
from burnish.verify.engine.addresses import (
    ENTRY_RSP,
    Frame,
    Named,
    Outer,
    UndecidedAccessError,
    alternatives,
    object_address,
    target,
)
from burnish.verify.engine.apart import read, write
from burnish.verify.engine.cells import join_bytes, read_bytes, write_bytes
from burnish.verify.engine.frames import OWN_VIEW, View
from burnish.verify.engine.repeat import LARGEST, fixed_count
from burnish.verify.engine.state import State, constant_memory, depth, entry_value, join_states, unwritten
from burnish.verify.engine.typed import Typed
from burnish.verify.pair import ALL_SEEN, Side, Unseen

RED_ZONE = 128
"""Bytes below the stack pointer that nobody else touches (System V ABI, AMD64, section 3.2.2)."""
_FUNCTION = "function "
"""Begins the names of objects that are functions."""


class UnmodelledError(Exception):
    """Code that has no meaning here; a phrase for the verdict."""


@dataclass(frozen=True, slots=True)
class Access:
    """An access to memory outside the frame, made where ``condition`` holds. ``size`` in bytes; ``aligned`` where the
    instruction faults unless the address is a multiple of the size. ``constant`` where it reads a constant object at an
    offset that is not known: what was read then is right only inside of it."""

    condition: Term
    address: Term
    size: int
    write: bool
    aligned: bool
    constant: bool = False


@dataclass(slots=True)
class Log:
    """What happened on the way, all paths of a region together: accesses outside the frame, conditions of faults by
    division, what must hold for the frame to stay a frame, and the lowest offset of the frame that was used."""

    accesses: list[Access] = field(default_factory=list[Access])
    faults: list[Term] = field(default_factory=list[Term])
    overlaps: list[Term] = field(default_factory=list[Term])
    """Under which callees are given objects that overlap, and must not."""
    perhaps: list[tuple[int, Term]] = field(default_factory=list[tuple[int, Term]])
    """The same, where one of them is in the shared local of that number and the other one is where others say."""
    typed: Typed = field(default_factory=Typed)
    demands: list[tuple[Term, str]] = field(default_factory=list[tuple[Term, str]])
    lowest: int = 0


class Names:
    """Fresh variables of one side."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._count = 0

    def fresh(self, what: str, width: int) -> Term:
        """A variable that occurs nowhere else."""
        self._count += 1
        return var(f"{self.prefix}.{what}.{self._count}", width)


@lru_cache(maxsize=1 << 14)
def is_alignment_free(raw: bytes) -> bool:
    """True for instructions whose 16-byte accesses may have any address: MOVUPS, MOVUPD, MOVDQU, LDDQU."""
    shape = decode(raw)
    if shape is None or shape.map is not Map.TWO:
        return False
    key = shape.mandatory, shape.opcode
    return key in ((0, 0x10), (0, 0x11), (0x66, 0x10), (0x66, 0x11), (0xF3, 0x6F), (0xF3, 0x7F), (0xF2, 0xF0))


class Interpreter:
    """The domain of terms for one side: give it to a ``Walker``. ``state``, ``condition``, and ``at`` and ``raw`` (the
    address and the bytes of the instruction at hand) are set by whoever drives it."""

    def __init__(
        self, side: Side, names: Names, log: Log, stack: int, view: View = OWN_VIEW, unseen: Unseen = ALL_SEEN
    ) -> None:
        self.side = side
        self.names = names
        self.log = log
        self._constants = side.constants
        self.state: State = State(FALSE)
        self.condition = FALSE
        self.raw = b""
        self.at = 0
        self.view = view
        self.unseen = unseen
        self.below: int = RED_ZONE
        """Bytes below the stack pointer that may be used: none of them by a callee that is executed in line."""
        self.above: int = 8 + stack
        """End of the frame: return address and arguments are the callee's own."""

    def constant(self, value: int, size: int) -> Term:
        return const(value, 8 * size)

    def initial(self, cell: Cell, offset: int, size: int) -> Term:
        return entry_value(cell, offset, size)

    def segment_base(self, name: str) -> Term:
        return var(f"{name}_base", 64)

    def extract(self, value: Term, size: int, offset: int, part: int) -> Term:
        return extract(value, 8 * offset, 8 * part)

    def concat(self, parts: Sequence[tuple[Term, int]]) -> Term:
        return join_bytes(value for value, _ in parts)

    def apply(self, operation: Operation, arguments: Sequence[Term]) -> Term:
        if operation.opcode is OpCode.ADDRESS:
            return self.address_of(arguments[0].value)
        fault = faults(operation, arguments)
        if fault is not FALSE:
            self.log.faults.append(and_(self.condition, fault))
        return apply(operation, arguments)

    def address_of(self, address: int) -> Term:
        """An image address as a term."""
        callee = self.side.callees.get(address)
        if callee is not None and address not in self.side.slots:
            return object_address(_FUNCTION + callee.name)
        place = self.side.places.get(address)
        if place is None:
            raise UnmodelledError(f"the address {address:#x}, of which it is not known what it belongs to")
        return object_address(place.data.name, place.offset)

    def effect(self, operation: Operation, walker: Walker[Term]) -> None:
        match operation.opcode:
            case OpCode.REP_STOS | OpCode.REP_MOVS:
                self._repeat(operation, walker)
            case _:
                raise UnmodelledError(f"an instruction without a meaning ({operation})")

    def _repeat(self, operation: Operation, walker: Walker[Term]) -> None:
        """``rep stos`` and ``rep movs`` of a known, small count."""
        size = operation.inputs[3].offset
        count = fixed_count(walker.read(operation.inputs[2]))
        if count is None or count * size > LARGEST:
            raise UnmodelledError("a repeated string instruction of unknown length")
        into, source = walker.read(operation.inputs[0]), walker.read(operation.inputs[1])
        for k in range(count):
            step = const(k * size, 64)
            if operation.opcode is OpCode.REP_MOVS:
                value = self.load(add(source, step), size)
            else:
                value = extract(source, 0, 8 * size)
            self.store(add(into, step), value, size)
        total = const(count * size, 64)
        walker.write(CELLS["rdi"].varnode, add(into, total))
        if operation.opcode is OpCode.REP_MOVS:
            walker.write(CELLS["rsi"].varnode, add(source, total))
        walker.write(CELLS["rcx"].varnode, const(0, 64))

    def load(self, address: Term, size: int) -> Term:
        choices = alternatives(self.view.outward(address))
        if len(choices) == 1:
            return self._load(choices[0][1], size)
        before, value = self.condition, None
        for choice, place in reversed(choices):
            self.condition = and_(before, choice)
            loaded = self._load(place, size) if self.condition is not FALSE else None
            value = loaded if value is None else value if loaded is None else ite(choice, loaded, value)
        self.condition = before
        assert value is not None
        return value

    def _load(self, address: Term, size: int) -> Term:
        if address.is_const:
            found = self._fixed(address.value, size)
            if isinstance(found, tuple):
                (address,) = found
            elif found is not None:
                return found
        where = self._where(address)
        match where:
            case Frame() if self._in_frame(where, size):
                return self._load_frame(where, size)
            case Named(name, offset):
                constant = self._constant(name, offset, size)
                inside = constant is not None and not isinstance(offset, int)
                self._access(address, size, write=False, constant=inside)
                return constant if constant is not None else self._outer(address, size)
            case _:
                self._access(address, size, write=False)
                return self._outer(address, size)

    def _outer(self, address: Term, size: int) -> Term:
        reading = read if self.view.shared else read_bytes
        value = reading(self.state.memory, address, size)
        kind = self.unseen.loads.get(self.at)
        seen = value if kind is None else reading(self.state.seen_by(kind), address, size)
        return self.log.typed.loaded(self.condition, seen, value)

    def _fixed(self, address: int, size: int) -> Term | tuple[Term] | None:
        """A load from an image address: the value, or ``(address as a term,)``."""
        place = self.side.slots.get(address)
        if place is not None and size == 8:
            return object_address(place.data.name, place.offset)
        callee = self.side.callees.get(address)
        if callee is not None and size == 8 and not self.side.image.is_code(address):
            return object_address(_FUNCTION + callee.name)
        return (self.address_of(address),) if address in self.side.places else None

    def store(self, address: Term, value: Term, size: int) -> None:
        choices = alternatives(self.view.outward(address))
        if len(choices) == 1:
            self._store(choices[0][1], value, size)
            return
        before, state = self.condition, self.state
        ways: list[tuple[Term, State]] = []
        for choice, place in choices:
            self.condition = and_(before, choice)
            if self.condition is not FALSE:
                self.state = state.copy()
                self._store(place, value, size)
                ways.append((choice, self.state))
        self.condition, self.state = before, state
        _, joined = join_states(ways)
        state.frame, state.memory, state.cells = joined.frame, joined.memory, joined.cells
        state.seen = joined.seen

    def _store(self, address: Term, value: Term, size: int) -> None:
        if address.is_const and address.value in self.side.places:
            address = self.address_of(address.value)
        where = self._where(address)
        match where:
            case Frame() if self._in_frame(where, size):
                self._store_frame(where, value, size)
            case _:
                self._access(address, size, write=True)
                self._store_memory(address, value, size)

    def _store_memory(self, address: Term, value: Term, size: int) -> None:
        value = self.view.outward(value)
        writing = write if self.view.shared else write_bytes
        hidden = self.unseen.stores.get(self.at, frozenset())
        self.state.change(lambda memory: writing(memory, address, value, size), hidden)

    def _where(self, address: Term) -> Frame | Named | Outer:
        try:
            found = target(address)
            if isinstance(found, Named) and found.name.startswith(_FUNCTION):
                raise UnmodelledError("an access to code as if it were data")
            return found
        except UndecidedAccessError:
            if address.op is Op.ITE:
                raise UndecidedAccessError("an address in the frame that depends on the path") from None
            raise

    def _access(self, address: Term, size: int, *, write: bool, constant: bool = False) -> None:
        aligned = size == 16 and not is_alignment_free(self.raw)
        self.log.accesses.append(Access(self.condition, address, size, write, aligned, constant))
        self.log.typed.accessed(self.unseen, self.at, self.condition, address, size, write=write)

    def _constant(self, name: str, offset: int | Term, size: int) -> Term | None:
        """The value of constant memory at a known offset; of an unknown one a memory of the object's own."""
        data = self._constants.get(name)
        if data is None:
            return None
        if isinstance(offset, int):
            if offset < 0 or offset + size > len(data):
                raise UndecidedAccessError("an access outside a constant object")
            return const(int.from_bytes(data[offset : offset + size], "little"), 8 * size)
        return read_bytes(constant_memory(name), offset, size)

    def _in_frame(self, where: Frame, size: int) -> bool:
        """True for the callee's own part of the stack; what lies above is the caller's memory."""
        offset = where.offset
        if not isinstance(offset, int) or where.base is not ENTRY_RSP:
            return True
        if offset >= self.above:
            if self.view.shared:
                raise UndecidedAccessError("an access to its caller's frame, beside locals that are shared")
            return False
        if offset + size > self.above:
            raise UndecidedAccessError("an access to its own and its caller's frame at once")
        return True

    def _check_frame(self, offset: int) -> None:
        """Notes that bytes from this offset of the frame on are used."""
        top = depth(self.state)
        if offset < top - self.below:
            why = "the red zone, which a signal" if self.below else "the stack pointer, which a callee"
            raise UndecidedAccessError(f"an access below {why} may overwrite")
        self.log.lowest = min(self.log.lowest, offset, top)

    def _check_aligned(self, offset: Term, size: int) -> None:
        """Notes the fault of an access to the frame that has to be aligned, and is not."""
        if size == 16 and not is_alignment_free(self.raw):
            # The stack pointer at entry is a multiple of 16, plus 8.
            fault = and_(self.condition, ne(extract(offset, 0, 4), const(8, 4)))
            if fault is not FALSE:
                self.log.faults.append(fault)

    def _load_frame(self, where: Frame, size: int) -> Term:
        if self._is_local(where, size):
            return read(self.state.memory, where.address, size, unwritten(self.names.prefix))
        offset = where.offset
        if isinstance(offset, int):
            self._meet_garbage(offset, size)
            return self.state.frame_value(offset, size)
        self._spill(offset, size)
        return read_bytes(self.state.frame, offset, size)

    def _is_local(self, where: Frame, size: int) -> bool:
        """True for an access to a local that is shared, which lies in memory. That one at an offset that is not
        constant stays inside is demanded."""
        local, offset = self.view.local(where, size), where.offset
        start = 0 if local is None else self.view.starts[local]
        if isinstance(offset, int):
            self._check_frame(start + offset)
            self._check_aligned(const(start + offset, 64), size)
        elif local is not None:
            self._check_frame(start)
            inside = ule(offset, const(self.view.shared[local].size - size, 64))
            self.log.demands.append((or_(not_(self.condition), inside), "an index into a local may leave it"))
            self._check_aligned(add(offset, const(start, 64)), size)
        return local is not None

    def _meet_garbage(self, offset: int, size: int) -> None:
        mark = self.state.garbage_below
        if mark is None or offset >= mark:
            return
        for k in range(offset, min(offset + size, mark)):
            if self.state.cells.byte(k) is None:
                self.state.cells.put(k, self.names.fresh("garbage", 8))

    def _store_frame(self, where: Frame, value: Term, size: int) -> None:
        if self._is_local(where, size):
            self._store_memory(where.address, value, size)
            return
        offset = where.offset
        if isinstance(offset, int):
            self.state.cells.put(offset, value)
            return
        self._spill(offset, size)
        for k in range(size):
            byte = extract(value, 8 * k, 8)
            self.state.frame = store(self.state.frame, add(offset, const(k, 64)), byte)
        self.state.cells = type(self.state.cells)()

    def _spill(self, offset: Term, size: int) -> None:
        """Before an access at an offset that is not constant: all known bytes go into the frame's memory, and the
        access is demanded to stay inside the part of the frame that is below the return address."""
        self._check_aligned(offset, size)
        low = depth(self.state) - self.below
        if self.state.garbage_below is not None:
            low = max(low, self.state.garbage_below)
        inside = ule(add(offset, const(-low, 64)), const(-low - size, 64))
        places = zip(self.view.starts, self.view.shared, strict=True)
        apart = (
            ule(const(one.size + size - 1, 64), add(offset, const(size - 1 - start, 64)))
            for start, one in places
        )
        demand = or_(not_(self.condition), and_(inside, *apart))
        self.log.demands.append((demand, "an index into the frame may leave it"))
        self.log.lowest = min(self.log.lowest, low)
        for at, value in sorted(self.state.cells.items(), key=lambda item: item[0]):
            for k in range(value.width // 8):
                self.state.frame = store(self.state.frame, const(at + k, 64), extract(value, 8 * k, 8))
