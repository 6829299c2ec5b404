"""The ``smt`` domain in the co-simulation: each instruction becomes terms of the registers and memory before it, once,
which are evaluated on each state."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.core.pcode import Operation
from burnish.core.state import Faulted, MachineState, MemoryRegion
from burnish.domains.concrete import FLAG_BITS
from burnish.domains.smt import build as t
from burnish.domains.smt.domain import SEGMENT_BASE, SmtDomain
from burnish.domains.smt.evaluate import Evaluator
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Op, Term
from burnish.domains.walker import Walker
from burnish.machine.flags import undefined_results
from burnish.machine.registers import CELLS, FLAG_CELLS, GPR_NAMES, VECTOR_CELLS
from burnish.runtime.isolation import BatchResult, StateBatch
from cosim import Disagreement, Example, state_of, states_differ
from cosim_llvm import operations_of


@dataclass(frozen=True, slots=True)
class Input:
    """A state as an assignment."""

    variables: Mapping[str, int]
    memories: Mapping[str, Mapping[int, int]]
    functions: Mapping[str, Mapping[tuple[int, ...], int]]


class _Bytes(dict[int, int]):
    """The bytes of a state's memory, looked up as they are asked for."""

    def __init__(self, regions: Sequence[MemoryRegion]) -> None:
        super().__init__()
        self._regions = regions

    def __missing__(self, address: int) -> int:
        for region in self._regions:
            if region.address <= address < region.end:
                return region.data[address - region.address]
        raise LookupError(f"memory at {address:#x} is read, and absent")


def _input(state: MachineState) -> Input:
    values = dict(zip(GPR_NAMES, state.gpr, strict=True))
    values |= {cell.name: value for cell, value in zip(VECTOR_CELLS, state.xmm, strict=True)}
    values |= {cell.name: int(state.flags & FLAG_BITS[cell.name] != 0) for cell in FLAG_CELLS}
    return Input({**values, SEGMENT_BASE: state.fs_base}, {"memory": _Bytes(state.memory)}, {})


class Compiled:
    """An instruction as terms; raises ``MeaninglessError`` where an operation has no meaning as one."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        domain = SmtDomain(t.memory("memory"))
        walker: Walker[Term] = Walker(domain)
        for operation in operations:
            walker.step(operation)
        self._cells = list(walker.registers)
        registers = [walker.read_cell(cell, 0, cell.size) for cell in self._cells]
        self._writes: list[tuple[Term, Term]] = []
        memory = domain.memory
        while memory.op is Op.STORE:
            memory, address, byte = memory.args
            self._writes.append((address, byte))
        self._writes.reverse()
        roots = [domain.fault, *registers, *(term for write in self._writes for term in write)]
        self._evaluate = Evaluator(roots)

    def run(self, state: MachineState) -> MachineState | None:
        """The state after the instruction; None where it faults."""
        fault, *values = self._evaluate(_input(state))
        if fault:
            return None
        gpr, xmm, flags = list(state.gpr), list(state.xmm), state.flags
        for cell, value in zip(self._cells, values, strict=False):
            if cell.name in FLAG_BITS:
                bit = FLAG_BITS[cell.name]
                flags = flags & ~bit | (bit if value else 0)
            elif cell.size == 16:
                xmm[VECTOR_CELLS.index(cell)] = value
            else:
                gpr[GPR_NAMES.index(cell.name)] = value
        writes = values[len(self._cells) :]
        memory = _written(state.memory, writes[::2], writes[1::2])
        return MachineState(tuple(gpr), tuple(xmm), flags, memory=memory, fs_base=state.fs_base)


def _written(
    regions: tuple[MemoryRegion, ...], addresses: Sequence[int], values: Sequence[int]
) -> tuple[MemoryRegion, ...]:
    if not addresses:
        return regions
    contents = [bytearray(region.data) for region in regions]
    for address, value in zip(addresses, values, strict=True):
        for region, data in zip(regions, contents, strict=True):
            if region.address <= address < region.end:
                data[address - region.address] = value
    return tuple(
        MemoryRegion(region.address, bytes(data), region.access)
        for region, data in zip(regions, contents, strict=True)
    )


def disagreements_with_terms(
    example: Example, batch: StateBatch, result: BatchResult
) -> list[Disagreement] | None:
    """Where the terms and the processor differ, over the states that the processor finishes or stops for a division;
    None for instructions that only transfer control, or whose refusal is ``MeaninglessError``."""
    operations = operations_of(example)
    if operations is None:
        return None
    try:
        compiled = Compiled(operations)
    except MeaninglessError:
        return None
    undefined = undefined_results(example.raw)
    found: list[Disagreement] = []
    for index in range(len(batch)):
        stop = result.stop(index)
        divides = isinstance(stop, Faulted) and stop.signal == signal.SIGFPE
        if stop is not None and not divides:
            continue
        before = state_of(batch, index)
        after = compiled.run(before)
        if (after is None) != divides:
            found.append(
                Disagreement(example, index, f"terms: {after and 'finished'}, the processor: {stop}")
            )
        elif after is not None:
            for each in undefined:
                if after.flags & FLAG_BITS[each.flag]:
                    after = _with_register(after, each.register.offset, each.register.size, result, index)
            text = states_differ(example, before, after, result, index, nan_payloads=True)
            if text:
                found.append(Disagreement(example, index, text))
    return found


def _with_register(
    state: MachineState, offset: int, size: int, result: BatchResult, index: int
) -> MachineState:
    """The state with a general register's low bytes as the processor left them."""
    cell = next(cell for cell in CELLS.values() if cell.offset == offset)
    number = GPR_NAMES.index(cell.name)
    mask = (1 << 8 * size) - 1
    gpr = list(state.gpr)
    gpr[number] = gpr[number] & ~mask | int(result.gpr[index, number]) & mask
    return MachineState(tuple(gpr), state.xmm, state.flags, memory=state.memory, fs_base=state.fs_base)


__all__ = ["Compiled", "disagreements_with_terms"]
