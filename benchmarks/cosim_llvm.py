"""The ``llvm`` domain in the co-simulation: each instruction becomes a function on a record of the registers, is
compiled as rebuilt functions are, and runs in isolation on the same states as the instruction itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from burnish.core.deployment import ObjectCode
from burnish.core.pcode import OpCode, Operation
from burnish.core.state import MachineState
from burnish.domains.concrete import FLAG_BITS
from burnish.domains.llvm import Builder, LlvmDomain, Value, int_type
from burnish.domains.walker import Walker
from burnish.images.link import image_resolver, link
from burnish.machine.lift import lift_all
from burnish.machine.registers import CELLS, FLAG_CELLS, GPR_CELLS, VECTOR_CELLS, Cell
from burnish.recompile.codegen import Target, compile_module
from burnish.recompile.leave import string_operation
from burnish.runtime.isolation import BatchResult, Executor, Placement, StateBatch, Window
from cosim import CODE, DATA, STACK, WINDOW, Disagreement, Example, state_of, states_differ

RECORD = 0x30000000
_RECORD_SIZE = 0x1000
_RETURN = 0x7000_0000
_OFFSETS = {cell: 8 * i for i, cell in enumerate(GPR_CELLS)}
_OFFSETS |= {cell: 128 + i for i, cell in enumerate(FLAG_CELLS)}
_OFFSETS |= {cell: 256 + 16 * i for i, cell in enumerate(VECTOR_CELLS)}


class _Record:
    """Hooks of the domain: registers are read from the record."""

    def __init__(self, builder: Builder) -> None:
        self.b = builder
        self.domain = LlvmDomain(builder, 0, self)

    def initial(self, cell: Cell, offset: int, size: int) -> Value:
        kind = "<2 x i64>" if size == 16 else int_type(size)
        return self.b.emit(kind, f"load {kind}, ptr {self.place(cell, offset)}, align 1")

    def place(self, cell: Cell, offset: int) -> str:
        return self.b.emit("ptr", f"getelementptr i8, ptr %record, i64 {_OFFSETS[cell] + offset}").text

    def effect(self, operation: Operation, walker: Walker[Value]) -> None:
        string_operation(self.b, self.domain.convert, operation, walker)

    def load_type(self, size: int) -> str:
        return "<2 x i64>" if size == 16 else int_type(size)

    def accesses(self, address: Value, space: str, pointer: str) -> None:
        del address, space, pointer

    def accessed(self, address: Value, space: str, pointer: str, value: Value, size: int) -> None:
        del address, space, pointer, value, size

    def volatile(self) -> bool:
        return False


def function_of(operations: Sequence[Operation]) -> str:
    """LLVM IR of ``void f(ptr record)`` that carries out operations without jumps."""
    builder = Builder()
    record = _Record(builder)
    walker: Walker[Value] = Walker(record.domain)
    for operation in operations:
        walker.step(operation)
    stores: list[tuple[str, str]] = []
    for cell, pieces in walker.registers.items():
        for offset, _, value in pieces:
            if value.type in ("i1", "frame", "segment"):
                value = record.domain.convert.integer(value)
            stores.append((f"{value.type} {value.text}", record.place(cell, offset)))
    for value, place in stores:
        builder.do(f"store {value}, ptr {place}, align 1")
    return "\n".join(
        [
            "@__burnish_image = external hidden global i8",
            *sorted(builder.declarations),
            'define void @f(ptr %record) "no-builtins" {',
            *builder.lines,
            "  ret void",
            "}",
            "",
        ]
    )


_CONTROL = frozenset((OpCode.BRANCH, OpCode.BRANCHIND, OpCode.CALL, OpCode.CALLIND, OpCode.RETURN))


def operations_of(example: Example) -> list[Operation] | None:
    """The example's operations, or None where it only transfers control. A conditional jump becomes the choice
    between running the instruction behind it and not."""
    first, *rest = lift_all(example.code, CODE)
    operations = list(first.operations)
    if any(op.opcode in _CONTROL for op in operations):
        return None
    if operations and operations[-1].opcode is OpCode.CBRANCH:
        condition = operations.pop().inputs[1]
        (skipped,) = rest[0].operations
        assert skipped.output is not None
        operations.append(
            Operation(OpCode.SELECT, skipped.output, (condition, skipped.output, *skipped.inputs))
        )
    return operations


def disagreements_with_llvm(
    executor: Executor, example: Example, batch: StateBatch, result: BatchResult, target: Target
) -> list[Disagreement] | None:
    """Where the compiled meaning and the processor differ, over the states that the processor finishes; None for
    instructions that only transfer control. NaN payloads may differ, as they may between compilers."""
    operations = operations_of(example)
    if operations is None:
        return None
    compiled = compile_module(function_of(operations), target)
    linked = link([ObjectCode(compiled.object_file, "f", 0)], CODE, image_resolver(0))
    record = _records(batch)
    gpr = batch.gpr.copy()
    gpr[:, :] = 0
    gpr[:, 7] = RECORD
    gpr[:, 4] = RECORD + _RECORD_SIZE - 0x100 - 8
    own = StateBatch(
        gpr, batch.xmm, batch.flags, (*batch.windows, Window(RECORD, record)), fs_base=batch.fs_base
    )
    got = executor.run_batch(
        linked.data, own, Placement(address=CODE, return_address=_RETURN, entry=linked.entry(0))
    )
    found: list[Disagreement] = []
    for index in range(len(batch)):
        if result.stop(index) is not None:
            continue
        if got.stop(index) is not None:
            found.append(Disagreement(example, index, f"llvm: {got.stop(index)}, the processor finished"))
            continue
        text = states_differ(
            example, state_of(batch, index), _after(got, index, batch), result, index, nan_payloads=False
        )
        if text:
            found.append(Disagreement(example, index, text))
    return found


def _records(batch: StateBatch) -> NDArray[np.uint8]:
    record = np.zeros((len(batch), _RECORD_SIZE), np.uint8)
    record[:, :128] = batch.gpr.view(np.uint8).reshape(len(batch), 128)
    for cell in FLAG_CELLS:
        bit = np.uint64(FLAG_BITS[cell.name])
        record[:, _OFFSETS[cell]] = (batch.flags & bit) != 0
    vectors = np.ascontiguousarray(batch.xmm).view(np.uint8).reshape(len(batch), 256)
    record[:, 256:512] = vectors
    return record


def _after(got: BatchResult, index: int, batch: StateBatch) -> MachineState:
    record = got.windows[len(batch.windows)][index]
    gpr = tuple(int(n) for n in record[:128].view(np.uint64))
    halves = record[256:512].view(np.uint64)
    xmm = tuple(int(halves[2 * i]) | int(halves[2 * i + 1]) << 64 for i in range(16))
    flags = 0
    for cell in FLAG_CELLS:
        flags |= FLAG_BITS[cell.name] if record[_OFFSETS[cell]] else 0
    before = state_of(batch, index)
    memory = tuple(
        type(region)(region.address, got.windows[k][index].tobytes())
        for k, region in enumerate(before.memory)
    )
    return MachineState(gpr, xmm, flags, memory=memory, fs_base=batch.fs_base)


__all__ = ["CELLS", "DATA", "STACK", "WINDOW", "disagreements_with_llvm", "function_of", "operations_of"]
