"""The concrete domain: p-code on Python integers. Slow and plain; what the other domains are held against.

``run`` executes lifted code on a ``MachineState`` and says how it ended, in the same words as isolated execution on
the processor. What it leaves out: the auxiliary carry flag (nothing that lifts reads it), the exception flags of
MXCSR, faults for unaligned vector operands, and any rounding but to nearest.
"""

from __future__ import annotations

import signal
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

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
    Unreachable,
)
from burnish.core.errors import RefusedError
from burnish.core.image import Access
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.core.state import Faulted, Finished, MachineState, MemoryRegion, Outcome, TimedOut
from burnish.domains.integers import DivisionError, compute
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS, GPR_NAMES, VECTOR_COUNT, Cell, gpr

FLAG_BITS = {"cf": 0x1, "pf": 0x4, "af": 0x10, "zf": 0x40, "sf": 0x80, "df": 0x400, "of": 0x800}
"""Bit of each flag in RFLAGS."""

_PAGE = 4096
_MASK = (1 << 64) - 1
_ROUNDING_AND_ZEROING = 0xE040
"""MXCSR: flush to zero, rounding control, denormals are zeros."""


class MemoryFaultError(Exception):
    """An access to memory that is absent or protected; ``address`` as the processor reports it."""

    def __init__(self, address: int) -> None:
        super().__init__(hex(address))
        self.address = address


class Memory:
    """The regions of a state, as they are now."""

    def __init__(self, regions: Sequence[MemoryRegion]) -> None:
        self._order = regions
        self._regions = sorted(regions, key=lambda region: region.address)
        self._starts = [region.address for region in self._regions]
        self._data = [bytearray(region.data) for region in self._regions]

    def load(self, address: int, size: int) -> int:
        """``size`` bytes, little-endian; raises ``MemoryFaultError``."""
        index, offset = self._find(address, size, Access.READ)
        if index >= 0:
            return int.from_bytes(self._data[index][offset : offset + size], "little")
        return int.from_bytes(bytes(self.load((address + k) & _MASK, 1) for k in range(size)), "little")

    def store(self, address: int, value: int, size: int) -> None:
        """Write ``size`` bytes, or none: raises ``MemoryFaultError``."""
        index, offset = self._find(address, size, Access.WRITE)
        if index >= 0:
            self._data[index][offset : offset + size] = value.to_bytes(size, "little")
            return
        for k in range(size):
            self._find((address + k) & _MASK, 1, Access.WRITE)
        for k in range(size):
            self.store((address + k) & _MASK, value >> 8 * k & 0xFF, 1)

    def regions(self) -> tuple[MemoryRegion, ...]:
        """The regions with their contents now, in the order in which they were given."""
        now = {region.address: bytes(data) for region, data in zip(self._regions, self._data, strict=True)}
        return tuple(MemoryRegion(r.address, now[r.address], r.access) for r in self._order)

    def _find(self, address: int, size: int, access: Access) -> tuple[int, int]:
        """``(region, offset)`` of an access within one region; region -1 where it goes beyond."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self._regions[index].end or access not in self._regions[index].access:
            canonical = address < 1 << 47 or address >= _MASK + 1 - (1 << 47)
            raise MemoryFaultError(address if canonical else 0)
        region = self._regions[index]
        return (index if address + size <= region.end else -1), address - region.address


class ConcreteDomain:
    """Values are unsigned integers. ``state`` is what registers and memory hold at first; image addresses are
    addresses."""

    def __init__(self, state: MachineState) -> None:
        if state.mxcsr & _ROUNDING_AND_ZEROING:
            raise ValueError("only rounding to nearest, with denormals kept, has a meaning here")
        self.memory = Memory(state.memory)
        self.at = 0
        """The address of the instruction that is being executed, as far as the code says it."""
        self._state = state
        self._cells: dict[str, int] = dict(zip(GPR_NAMES, state.gpr, strict=True))
        self._cells |= {f"xmm{k}": state.xmm[k] for k in range(VECTOR_COUNT)}
        self._cells |= {name: int(state.flags & bit != 0) for name, bit in FLAG_BITS.items()}

    def constant(self, value: int, size: int) -> int:
        del size
        return value

    def initial(self, cell: Cell, offset: int, size: int) -> int:
        return self._cells[cell.name] >> 8 * offset & (1 << 8 * size) - 1

    def segment_base(self, name: str) -> int:
        if name != "fs":
            raise ValueError(f"segment {name} is refused when lifting")
        return self._state.fs_base

    def apply(self, operation: Operation, arguments: Sequence[int]) -> int:
        return compute(operation, arguments)

    def load(self, address: int, size: int) -> int:
        return self.memory.load(address, size)

    def store(self, address: int, value: int, size: int) -> None:
        self.memory.store(address, value, size)

    def extract(self, value: int, size: int, offset: int, part: int) -> int:
        del size
        return value >> 8 * offset & (1 << 8 * part) - 1

    def concat(self, parts: Sequence[tuple[int, int]]) -> int:
        total = shift = 0
        for value, size in parts:
            total |= value << shift
            shift += 8 * size
        return total

    def effect(self, operation: Operation, walker: Walker[int]) -> None:
        """``REP_MOVS`` and ``REP_STOS``, one element at a time as the processor does it."""
        if operation.opcode not in (OpCode.REP_MOVS, OpCode.REP_STOS):
            raise ValueError(f"{operation.opcode.name} needs a driver that follows it")
        moves = operation.opcode is OpCode.REP_MOVS
        destination, source, counter, element = operation.inputs
        size = element.offset
        while walker.read(counter):
            value = walker.read(source)
            if moves:
                self.store(walker.read(destination), self.load(value, size), size)
                walker.write(source, (value + size) & _MASK)
            else:
                self.store(walker.read(destination), value & (1 << 8 * size) - 1, size)
            walker.write(destination, (walker.read(destination) + size) & _MASK)
            walker.write(counter, walker.read(counter) - 1)

    def state(self, walker: Walker[int]) -> MachineState:
        """The state that the walker has reached."""

        def cell(name: str) -> int:
            return walker.read_cell(CELLS[name], 0, CELLS[name].size)

        flags = sum(bit for name, bit in FLAG_BITS.items() if cell(name))
        return MachineState(
            tuple(cell(name) for name in GPR_NAMES),
            tuple(cell(f"xmm{k}") for k in range(VECTOR_COUNT)),
            flags,
            self._state.mxcsr,
            self.memory.regions(),
            self._state.fs_base,
        )


Call = Callable[[int, ConcreteDomain, Walker[int]], None]
"""What a call out of a function does: ``(target, domain, walker)``."""

OnBlock = Callable[[Label, ConcreteDomain, Walker[int]], None]
"""Told of each block of a function before it is executed: ``(label, domain, walker)``."""


def run(
    code: Function | Sequence[Instruction] | Mapping[int, Instruction],
    state: MachineState,
    max_steps: int = 100_000,
    *,
    start: int = 0,
    call: Call | None = None,
    traps: frozenset[int] = frozenset(),
    domain: ConcreteDomain | None = None,
    on_block: OnBlock | None = None,
) -> Outcome:
    """Execute lifted code. ``max_steps`` bounds the p-code operations (blocks, for what is longer than one).

    A ``Function`` starts at its entry and finishes by its return; what it calls, and jumps to at its end, is left to
    ``call`` (``ValueError`` without). A sequence of instructions starts at its first, a mapping from addresses to them
    at ``start``, and finishes when it leaves them; calls push their return address and go on at their target.
    ``traps`` are the addresses of instructions that trap (``refusals.is_trap``). ``domain`` is one of the caller's own,
    made of ``state``. Raises ``RefusedError`` at an instruction that is refused.
    """
    machine = _Machine(domain or ConcreteDomain(state), max_steps, call, traps)
    machine.on_block = on_block
    try:
        if isinstance(code, Function):
            return machine.function(code)
        if isinstance(code, Mapping):
            return machine.instructions(code, start)
        return machine.instructions({one.address: one for one in code}, code[0].address)
    except MemoryFaultError as fault:
        return Faulted(signal.SIGSEGV, fault.address, machine.address)
    except DivisionError:
        return Faulted(signal.SIGFPE, machine.address, machine.address)


class _Machine:
    """One execution. ``address`` is the instruction that is being executed, as far as it is known."""

    def __init__(
        self, domain: ConcreteDomain, max_steps: int, call: Call | None, traps: frozenset[int]
    ) -> None:
        self.domain = domain
        self.on_block: OnBlock | None = None
        self.walker = Walker(self.domain)
        self.address = 0
        self._left = max_steps
        self._call = call
        self._traps = traps

    def function(self, function: Function) -> Outcome:
        """From the entry to a return."""
        blocks = {block.label: block for block in function.blocks}
        label = function.blocks[0].label
        while True:
            block = blocks[label]
            self._left -= 1 + len(block.operations)
            if self._left < 0:
                return TimedOut()
            if self.on_block is not None:
                self.on_block(label, self.domain, self.walker)
            following = self._block(block)
            if isinstance(following, Label):
                label = following
            elif following is not None:
                return following
            else:
                return Finished(self.domain.state(self.walker))

    def _block(self, block: Block) -> Label | Faulted | None:
        """Where control goes: a label, or out of the function by a return (None) or a trap."""
        starts = {index: address for address, index in block.marks}
        for index, operation in enumerate(block.operations):
            if index in starts:
                self.address = self.domain.at = starts[index]
            self._step(operation)
        match block.terminator:
            case Jump(target):
                return target
            case Branch(condition, taken, fallthrough):
                return taken if self.walker.read(condition) else fallthrough
            case Switch(selector):
                return Label(self.walker.read(selector))
            case Return():
                self._pop()
                return None
            case TailCall(target):
                self._leave(target.offset if target.space is Space.RAM else self.walker.read(target))
                return None
            case Unreachable():
                return Faulted(signal.SIGILL, self.address, self.address)

    def _step(self, operation: Operation) -> None:
        if operation.opcode is OpCode.CALL:
            self._leave(operation.inputs[0].offset)
        elif operation.opcode is OpCode.CALLIND:
            self._leave(self.walker.read(operation.inputs[0]))
        else:
            self.walker.step(operation)

    def _leave(self, target: int) -> None:
        if self._call is None:
            raise ValueError(f"a call to {target:#x}, and nothing given that says what it does")
        self._call(target, self.domain, self.walker)

    def _pop(self) -> int:
        rsp = gpr("rsp")
        top = self.walker.read(rsp)
        value = self.domain.load(top, 8)
        self.walker.write(rsp, (top + 8) & _MASK)
        return value

    def _push(self, value: int) -> None:
        rsp = gpr("rsp")
        top = (self.walker.read(rsp) - 8) & _MASK
        self.domain.store(top, value, 8)
        self.walker.write(rsp, top)

    def instructions(self, known: Mapping[int, Instruction], address: int) -> Outcome:
        """From an address until control leaves what is known."""
        while (instruction := known.get(address)) is not None:
            self.address = self.domain.at = address
            if address in self._traps:
                return Faulted(signal.SIGILL, address, address)
            if instruction.refused is not None:
                raise RefusedError(instruction.refused)
            following = self._instruction(instruction)
            if following is None:
                return TimedOut()
            address = following
        return Finished(self.domain.state(self.walker))

    def _instruction(self, instruction: Instruction) -> int | None:
        """The address of the next instruction; None when the steps are used up."""
        operations, walker = instruction.operations, self.walker
        walker.forget_temporaries()
        index = 0
        while index < len(operations):
            self._left -= 1
            if self._left < 0:
                return None
            opcode, _, inputs, _ = operations[index]
            match opcode:
                case OpCode.BRANCH | OpCode.CBRANCH:
                    if opcode is OpCode.BRANCH or walker.read(inputs[1]):
                        if inputs[0].space is Space.CONST:
                            index += _distance(inputs[0])
                            continue
                        return inputs[0].offset
                case OpCode.BRANCHIND:
                    return walker.read(inputs[0])
                case OpCode.CALL | OpCode.CALLIND:
                    target = inputs[0].offset if opcode is OpCode.CALL else walker.read(inputs[0])
                    self._push(instruction.end)
                    return target
                case OpCode.RETURN:
                    return self._pop()
                case _:
                    walker.step(operations[index])
            index += 1
        return instruction.end


def _distance(node: Varnode) -> int:
    """A jump within an instruction, in operations."""
    bits = 8 * node.size
    return node.offset - (1 << bits) if node.offset >> (bits - 1) & 1 else node.offset
