"""Where a function hands control away: calls, tail calls, and string instructions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from burnish.core.code import Label, TailCall
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.domains.llvm import Builder, Value
from burnish.domains.walker import Walker
from burnish.machine.registers import (
    CELLS,
    INTEGER_ARGUMENTS,
    INTEGER_RETURNS,
    RETURNS,
    VECTOR_ARGUMENTS,
    VECTOR_RETURNS,
)
from burnish.recompile.bits import BASE, cells_in
from burnish.recompile.calls import CallSummary
from burnish.recompile.planned import Plan

if TYPE_CHECKING:
    from burnish.domains.llvm.convert import Converter

_VECTOR = "<2 x i64>"
_RESULT = f"{{ i64, i64, {_VECTOR}, {_VECTOR} }}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A rebuilt function's parameters: the types of the six integer registers, how many vector registers follow, and
    the extent of the stack arguments."""

    integers: tuple[str, ...]
    vectors: int
    stack_bytes: int


def signature(plan: Plan) -> Signature:
    """The parameters of the function of ``plan``. It names the vector registers that are live at entry (or may be
    returned), and all that a tail call passes on."""
    function = plan.function
    first = function.blocks[0].label
    kinds = tuple("ptr" if (first, n) in plan.layout.pointers else "i64" for n in INTEGER_ARGUMENTS)
    wanted = plan.live[first]
    for block in function.blocks:
        if isinstance(block.terminator, TailCall):
            wanted |= plan.summarise(block.terminator).arguments
    vectors = max((i + 1 for i, n in enumerate(VECTOR_ARGUMENTS) if wanted >> BASE[n] & 0xFFFF), default=0)
    return Signature(kinds, vectors, plan.layout.stack_bytes)


class Leaver:
    """Writes calls for one function. ``local`` has the functions that the module holds itself, by address."""

    def __init__(
        self, plan: Plan, builder: Builder, converter: Converter, local: Mapping[int, tuple[str, Signature]]
    ) -> None:
        self.plan = plan
        self.b = builder
        self.convert = converter
        self.local = local

    def effect(
        self, operation: Operation, walker: Walker[Value], label: Label, index: int, defined: int
    ) -> None:
        """A call or a string instruction. ``defined`` are the register bytes that surely hold a value."""
        match operation.opcode:
            case OpCode.CALL | OpCode.CALLIND:
                self._call(operation, walker, (label, index), defined)
            case OpCode.REP_MOVS | OpCode.REP_STOS:
                string_operation(self.b, self.convert, operation, walker)
            case _:
                raise KeyError(operation.opcode.name)

    def _target(self, node: Varnode, walker: Walker[Value]) -> str:
        if node.space is Space.RAM:
            name = f"@__burnish_at_{node.offset:x}"
            self.b.declarations.add(f"{name} = external hidden global i8")
            return name
        return self.convert.pointer(walker.read(node)).text

    def _register_arguments(
        self, summary: CallSummary, walker: Walker[Value], defined: int, integers: int, vectors: int
    ) -> tuple[list[str], list[str]]:
        """Types and ``type value`` of the arguments in registers; what holds no value is passed as poison."""
        types: list[str] = []
        arguments: list[str] = []
        passed = summary.arguments & defined
        for name in INTEGER_ARGUMENTS[:integers]:
            if passed >> BASE[name] & 0xFF:
                value = walker.read_cell(CELLS[name], 0, 8)
                value = value if value.type in ("i64", "ptr") else self._general(value)
            else:
                value = Value("poison", "i64")
            types.append(value.type)
            arguments.append(f"{value.type} {value.text}")
        for name in VECTOR_ARGUMENTS[:vectors]:
            text = "poison"
            if passed >> BASE[name] & 0xFFFF:
                text = self.convert.cast(walker.read_cell(CELLS[name], 0, 16), _VECTOR).text
            types.append(_VECTOR)
            arguments.append(f"{_VECTOR} {text}")
        return types, arguments

    def _general(self, value: Value) -> Value:
        return self.convert.pointer(value) if value.type == "frame" else self.convert.integer(value)

    def _call(
        self, operation: Operation, walker: Walker[Value], where: tuple[Label, int], defined: int
    ) -> None:
        summary = self.plan.summarise(operation)
        node = operation.inputs[0]
        known = self.local.get(node.offset) if node.space is Space.RAM else None
        if known is not None:
            self._results(self._call_local(*known, summary, walker, defined), summary, walker, frozen=True)
            return
        target = self._target(node, walker)
        passed = summary.arguments & defined
        integers = max(
            (i + 1 for i, n in enumerate(INTEGER_ARGUMENTS) if passed >> BASE[n] & 0xFF), default=0
        )
        vectors = max(
            (i + 1 for i, n in enumerate(VECTOR_ARGUMENTS) if passed >> BASE[n] & 0xFFFF), default=0
        )
        outgoing = self.plan.layout.outgoing.get(where)
        if outgoing is not None:
            integers = 6
        types, arguments = self._register_arguments(summary, walker, defined, integers, vectors)
        if outgoing is not None:
            offset, size = outgoing
            pointer = self.b.frame_pointer(offset, self.plan.layout.low)
            types.append("ptr")
            arguments.append(f"ptr byval([{size} x i8]) align 8 {pointer}")
        if summary.variadic:
            types.append("...")
        result = self.b.emit(_RESULT, f"call {_RESULT} ({', '.join(types)}) {target}({', '.join(arguments)})")
        self._results(result, summary, walker)

    def _call_local(
        self, name: str, taken: Signature, summary: CallSummary, walker: Walker[Value], defined: int
    ) -> Value:
        """A call of a function in this module, with its own parameter types, so that LLVM can put it in line."""
        _, arguments = self._register_arguments(summary, walker, defined, 6, taken.vectors)
        typed = [self._as(text, kind) for text, kind in zip(arguments[:6], taken.integers, strict=True)]
        passed = [self._some_value(argument) for argument in typed + arguments[6:]]
        return self.b.emit(_RESULT, f"call {_RESULT} @{name}({', '.join(passed)})")

    def _some_value(self, argument: str) -> str:
        """A function that LLVM can see must find some value in a register that holds none, as the CPU has it."""
        kind, _, text = argument.rpartition(" ")
        return f"{kind} {self.b.emit(kind, f'freeze {argument}').text}" if text == "poison" else argument

    def _results(
        self, result: Value, summary: CallSummary, walker: Walker[Value], *, frozen: bool = False
    ) -> None:
        """Registers after a call. ``frozen`` where LLVM can see that the callee leaves some without a value."""
        for cell, _ in cells_in(summary.clobbers):
            if cell.name not in RETURNS:
                walker.write_cell(cell, 0, cell.size, self.undefined(cell.size))
        for i, name in enumerate((*INTEGER_RETURNS, *VECTOR_RETURNS)):
            cell = CELLS[name]
            if not summary.clobbers >> BASE[name] & 1:
                continue
            kind = "i64" if cell.size == 8 else _VECTOR
            value = self.b.emit(kind, f"extractvalue {_RESULT} {result.text}, {i}")
            if frozen:
                value = self.b.emit(kind, f"freeze {kind} {value.text}")
            walker.write_cell(cell, 0, cell.size, value)

    def undefined(self, size: int) -> Value:
        """What a call leaves in a register that it may change: any one value, the same at every reading."""
        kind = {1: "i1", 8: "i64", 16: _VECTOR}[size]
        name = f"%undefined{size}"
        line = f"  {name} = freeze {kind} poison"
        if line not in self.b.entry:
            self.b.entry.insert(0, line)
        return Value(name, kind)

    def tail_call(self, tail: TailCall, walker: Walker[Value], defined: int) -> None:
        """A jump to another function: a call in tail position that reuses this function's frame for certain."""
        summary = self.plan.summarise(tail)
        target = self._target(tail.target, walker)
        own = signature(self.plan)
        _, registers = self._register_arguments(summary, walker, defined, 6, own.vectors)
        arguments = [self._as(text, kind) for text, kind in zip(registers[:6], own.integers, strict=True)]
        arguments += registers[6:]
        if own.stack_bytes:
            arguments.append(f"ptr byval([{self.plan.layout.stack_bytes} x i8]) align 8 %stack")
        result = self.b.emit(_RESULT, f"musttail call {_RESULT} {target}({', '.join(arguments)})")
        self.b.do(f"ret {_RESULT} {result.text}")

    def _as(self, argument: str, kind: str) -> str:
        """``musttail`` wants the caller's own parameter types."""
        have, _, text = argument.partition(" ")
        if have == kind:
            return argument
        if text == "poison":
            return f"{kind} poison"
        value = Value(text, have)
        made = self.convert.pointer(value) if kind == "ptr" else self.convert.integer(value)
        return f"{kind} {made.text}"


def string_operation(
    builder: Builder, convert: Converter, operation: Operation, walker: Walker[Value]
) -> None:
    """``rep movs`` and ``rep stos`` as themselves: the machine's own loop is the fast one."""
    nodes = operation.inputs
    suffix = {1: "b", 2: "w", 4: "l", 8: "q"}[nodes[3].offset]
    target = convert.pointer(walker.read(nodes[0])).text
    second = walker.read(nodes[1])
    count = convert.integer(walker.read(nodes[2])).text
    if operation.opcode is OpCode.REP_MOVS:
        source = convert.pointer(second).text
        kind = "{ ptr, ptr, i64 }"
        made = builder.emit(
            kind,
            f'call {kind} asm sideeffect "rep movs{suffix}", "={{di}},={{si}},={{cx}},0,1,2,~{{memory}}"'
            f"(ptr {target}, ptr {source}, i64 {count})",
        )
        outputs = ((nodes[0], "ptr", 0), (nodes[1], "ptr", 1), (nodes[2], "i64", 2))
    else:
        kind = "{ ptr, i64 }"
        value = convert.integer(second).text
        made = builder.emit(
            kind,
            f'call {kind} asm sideeffect "rep stos{suffix}", "={{di}},={{cx}},0,1,{{ax}},~{{memory}}"'
            f"(ptr {target}, i64 {count}, i64 {value})",
        )
        outputs = ((nodes[0], "ptr", 0), (nodes[2], "i64", 1))
    for node, part, i in outputs:
        walker.write(node, builder.emit(part, f"extractvalue {kind} {made.text}, {i}"))
