"""A function as LLVM IR, in the System V convention.

Every register is one or two ``alloca`` (an integer, a pointer), every frame one array: LLVM's SROA makes values
of them. Registers are kept in Python within a block and written back, as far as they are live, at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from burnish.core.pcode import Operation, Space, Varnode
from burnish.domains.llvm import FRAME, Builder, LlvmDomain, Value, int_type
from burnish.domains.walker import Walker
from burnish.machine.registers import (
    CELLS,
    INTEGER_ARGUMENTS,
    INTEGER_RETURNS,
    VECTOR_ARGUMENTS,
    VECTOR_RETURNS,
    Cell,
)
from burnish.recompile.bits import BASE, cells_in
from burnish.recompile.leave import Leaver, Signature, signature
from burnish.recompile.liveness import define
from burnish.recompile.observe import Observer
from burnish.recompile.planned import Plan
from burnish.recompile.preserve import with_preserved
from burnish.recompile.probes import Probes
from burnish.recompile.provenance import FrameAddress

VECTOR = "<2 x i64>"
RESULT = f"{{ i64, i64, {VECTOR}, {VECTOR} }}"
"""What every function returns: RAX, RDX, XMM0, XMM1."""


_ATTRIBUTES = 'uwtable null_pointer_is_valid "no-builtins" "frame-pointer"="none"'
"""Null is an address like any other: it may be the base to which the code adds an object's absolute address, and an
access through it must fault."""

_UNLIKELY = ", !prof !0"
_WEIGHTS = '!0 = !{!"branch_weights", i32 3, i32 5}\n!1 = !{!"branch_weights", i32 1, i32 100000}'
"""Of a branch that is taken less often than not: enough for the order of blocks, and no more, since the compiler that
laid the code out may have had no better reason; and of one that is hardly ever taken (``probes``)."""


def symbol_of(address: int) -> str:
    """The name of the rebuilt function that replaces the one at ``address``."""
    return f"burnish_{address:x}"


def emit(plan: Plan, preserve: int = 0, inline: Sequence[Plan] = (), probes: Probes | None = None) -> str:
    """The LLVM module (text) that holds the function, with ``probes`` where there are any. ``preserve`` are register
    bytes that it must leave as they are though the ABI lets it change them (``callers``); ``inline`` are functions that
    it calls, of which the module gets copies of its own that LLVM may put in line."""
    copies = {p.function.address: (f"{symbol_of(p.function.address)}.copy", signature(p)) for p in inline}
    declarations = {"@__burnish_image = external hidden global i8"}
    functions = [_Emitter(plan, copies, declarations, probes).definition(symbol_of(plan.function.address))]
    functions += [
        _Emitter(p, copies, declarations).definition(copies[p.function.address][0], "internal ")
        for p in inline
    ]
    attributes = f"attributes #0 = {{ {_ATTRIBUTES} }}"
    module = "\n".join((*sorted(declarations), *functions, attributes, _WEIGHTS, ""))
    return with_preserved(module, symbol_of(plan.function.address), preserve) if preserve else module


_GRAIN = 4
"""Vector registers go through memory in pieces of at least so many bytes, general ones whole: LLVM's SROA splits a slot
that is accessed in parts into as many values, and every use of the whole must put them together again."""


def _grains(walker: Walker[Value], cell: Cell) -> list[tuple[int, int, Value]]:
    """What was written of a cell, in pieces of at least ``_GRAIN`` bytes (a flag is one, a general register whole)."""
    pieces = walker.registers.get(cell, [])
    if cell.size == 8 and pieces:
        return [(0, 8, walker.read_cell(cell, 0, 8))]
    if cell.size == 1 or all(size >= _GRAIN for _, size, _ in pieces):
        return list(pieces)
    starts = sorted({offset - offset % _GRAIN for offset, size, _ in pieces if size < _GRAIN})
    small = [(start, _GRAIN, walker.read_cell(cell, start, _GRAIN)) for start in starts]
    return small + [piece for piece in pieces if piece[1] >= _GRAIN]


class _Emitter:
    """Writes one function; also the hooks of the LLVM domain."""

    def __init__(
        self,
        plan: Plan,
        copies: Mapping[int, tuple[str, Signature]],
        declarations: set[str],
        probes: Probes | None = None,
    ) -> None:
        self.plan = plan
        self.b = Builder(declarations)
        self.domain = LlvmDomain(self.b, plan.layout.low, self)
        self.leaver = Leaver(plan, self.b, self.domain.convert, copies)
        self.label = plan.function.blocks[0].label
        self.index = 0
        self.allocas: dict[str, str] = {}
        self._read: dict[tuple[str, int, int], Value] = {}
        self.names = {block.label: f"b{i}" for i, block in enumerate(plan.function.blocks)}
        self.observer = Observer(probes, self.b, self.domain, self.names)

    # -- hooks ---------------------------------------------------------------------------------------------

    def initial(self, cell: Cell, offset: int, size: int) -> Value:
        key = (cell.name, offset, size)
        known = self._read.get(key)
        if known is None:
            known = self._read[key] = self._initial(cell, offset, size)
        return known

    def _initial(self, cell: Cell, offset: int, size: int) -> Value:
        fact = self.plan.layout.facts[self.label].get(cell.name)
        if fact is not None:
            if isinstance(fact, FrameAddress):
                whole = Value("", FRAME, offset=fact.offset)
            elif size == 8:
                return Value("poison", "i64")  # it is only saved and restored
            else:
                whole = self.leaver.undefined(8)
            return whole if size == 8 else self.domain.extract(whole, 8, offset, size)
        if cell.size == 1:
            return self.b.emit("i1", f"load i1, ptr {self._slot(cell.name, 'i1')}")
        if cell.size == 8:
            if size < 8:
                return self.domain.extract(self.initial(cell, 0, 8), 8, offset, size)
            if self._is_pointer(self.label, cell.name):
                return self.b.emit("ptr", f"load ptr, ptr {self._slot(cell.name + '.p', 'ptr')}")
        if size < _GRAIN:
            whole = self.initial(cell, offset - offset % _GRAIN, _GRAIN)
            return self.domain.extract(whole, _GRAIN, offset % _GRAIN, size)
        kind = VECTOR if size == 16 else int_type(size)
        place = self._part(cell, offset)
        return self.b.emit(kind, f"load {kind}, ptr {place}, align 1")

    def accesses(self, address: Value, space: str, pointer: str) -> None:
        self.observer.accesses(address, space, pointer)

    def accessed(self, address: Value, space: str, pointer: str, value: Value, size: int) -> None:
        self.observer.accessed(address, space, pointer, value, size)

    def effect(self, operation: Operation, walker: Walker[Value]) -> None:
        self.observer.string(operation, walker)
        self.leaver.effect(operation, walker, self.label, self.index, self._defined)

    def load_type(self, size: int) -> str:
        if size == 8 and (self.label, self.index) in self.plan.layout.pointers:
            return "ptr"
        return VECTOR if size == 16 else int_type(size)

    def volatile(self) -> bool:
        return (self.label, self.index) in self.plan.volatile

    # -- registers in memory -------------------------------------------------------------------------------

    def _slot(self, name: str, kind: str) -> str:
        if name not in self.allocas:
            self.allocas[name] = kind
        return f"%{name}"

    def _part(self, cell: Cell, offset: int) -> str:
        slot = self._slot(cell.name + ".i", "i64") if cell.size == 8 else self._slot(cell.name, VECTOR)
        if offset == 0:
            return slot
        return self.b.emit("ptr", f"getelementptr i8, ptr {slot}, i64 {offset}").text

    def _is_pointer(self, label: Label, name: str) -> bool:
        return (label, name) in self.plan.layout.pointers

    def _write_back(self, walker: Walker[Value], block: Block) -> None:
        """Store what the successors read and this block changed."""
        following = successors(block.terminator)
        live = 0
        for label in following:
            live |= self.plan.live[label]
        here = self.plan.layout.facts[block.label]
        for cell, mask in cells_in(live):
            wanting = [
                s
                for s in following
                if cell.name not in self.plan.layout.facts[s]
                and self.plan.live[s] >> BASE[cell.name] & (1 << cell.size) - 1
            ]
            if not wanting or (cell not in walker.registers and cell.name not in here):
                continue
            if cell.size == 8:
                self._write_back_general(walker, cell, mask, wanting)
                continue
            for offset, size, value in _grains(walker, cell):
                if not value.text.startswith("%undefined") and mask >> offset & (1 << size) - 1:
                    self._store_part(cell, offset, value)
        for offset, (_, value) in walker.temporaries.items():
            if offset in self.plan.carried:
                number = self.domain.convert.integer(value)
                self.b.do(f"store {number.type} {number.text}, ptr {self._temporary(offset)}, align 1")

    def _write_back_general(
        self, walker: Walker[Value], cell: Cell, mask: int, wanting: Sequence[Label]
    ) -> None:
        pieces = walker.registers.get(cell) or [(0, 8, self.initial(cell, 0, 8))]
        if all(value.text == "poison" or value.text.startswith("%undefined") for _, _, value in pieces):
            return
        kinds = {self._is_pointer(s, cell.name) for s in wanting}
        if True in kinds:
            pointer = self.domain.convert.pointer(walker.read_cell(cell, 0, 8))
            self.b.do(f"store ptr {pointer.text}, ptr {self._slot(cell.name + '.p', 'ptr')}")
        if False in kinds:
            for offset, size, value in _grains(walker, cell) if cell in walker.registers else pieces:
                if not value.text.startswith("%undefined") and mask >> offset & (1 << size) - 1:
                    self._store_part(cell, offset, self.domain.convert.integer(value))

    def _store_part(self, cell: Cell, offset: int, value: Value) -> None:
        if cell.size == 1:
            flag = self.domain.convert.flag(value)
            self.b.do(f"store i1 {flag.text}, ptr {self._slot(cell.name, 'i1')}")
            return
        if value.type in ("ptr", FRAME):
            value = self.domain.convert.integer(value)
        self.b.do(f"store {value.type} {value.text}, ptr {self._part(cell, offset)}, align 1")

    def _temporary(self, offset: int) -> str:
        return self._slot(f"t{offset:x}", int_type(self.plan.carried[offset]))

    # -- the function --------------------------------------------------------------------------------------

    def definition(self, name: str, linkage: str = "") -> str:
        """The function's text."""
        plan, function = self.plan, self.plan.function
        body: list[str] = []
        for block in function.blocks:
            if block.label not in plan.layout.facts:
                body += [f"{self.names[block.label]}:", "  unreachable"]
                continue
            self.b.lines = []
            self._block(block)
            body += [f"{self.names[block.label]}:", *self.b.lines]
        parameters, prologue = self._parameters()
        size = 8 - plan.layout.low
        lines = [
            f"define {linkage}{RESULT} @{name}({parameters}) #0 {{",
            "entry:",
            f"  %frame0 = alloca [{size} x i8], align 8",  # what surely holds (alignment)
            *(f"  %{slot} = alloca {kind}" for slot, kind in self.allocas.items()),
            (
                '  %frame = call ptr asm "", "=r,0"(ptr %frame0)'
                if plan.layout.opaque_frame
                else "  %frame = getelementptr i8, ptr %frame0, i64 0"
            ),
            *self._garbage(),
            *self.b.entry,
            *prologue,
            "  br label %b0",
            *body,
            *(line for way in self.observer.ways.values() for line in way),
            "}",
        ]
        return "\n".join(lines)

    def _garbage(self) -> list[str]:
        """Stores that give every general register and flag some one value at entry. Code may join a byte that it
        wrote with bytes that it did not, or branch on garbage before it finds that nothing depends on it: LLVM
        would spoil the whole value in the first case, and drop a path in the second."""
        kinds = {k for k in self.allocas.values() if k != VECTOR}
        names = {kind: f"%garbage{i}" for i, kind in enumerate(sorted(kinds))}
        lines = [f"  {name} = freeze {kind} poison" for kind, name in names.items()]
        return lines + [
            f"  store {k} {names[k]}, ptr %{slot}" for slot, k in self.allocas.items() if k in names
        ]

    def _parameters(self) -> tuple[str, list[str]]:
        """The parameter list, and the stores that put arguments into their registers' slots."""
        prologue: list[str] = []
        types: list[str] = []
        own = signature(self.plan)
        for name, kind in zip(INTEGER_ARGUMENTS, own.integers, strict=True):
            types.append(f"{kind} %arg.{name}")
            slot = name + (".p" if kind == "ptr" else ".i")
            if slot in self.allocas:
                prologue.append(f"  store {kind} %arg.{name}, ptr %{slot}")
        for name in VECTOR_ARGUMENTS[: own.vectors]:
            types.append(f"{VECTOR} %arg.{name}")
            if name in self.allocas:
                prologue.append(f"  store {VECTOR} %arg.{name}, ptr %{name}")
        if own.stack_bytes:
            types.append(f"ptr byval([{own.stack_bytes} x i8]) align 8 %stack")
        return ", ".join(types), prologue

    def _block(self, block: Block) -> None:
        self.label = block.label
        self._read = {}
        self.domain.begin_block()
        self._defined = self.plan.defined[block.label]
        walker: Walker[Value] = Walker(self.domain)
        self.observer.begin(block, walker)
        for offset, size in self.plan.carried.items():
            kind = int_type(size)
            value = self.b.emit(kind, f"load {kind}, ptr {self._temporary(offset)}, align 1")
            walker.write(Varnode(Space.UNIQUE, offset, size), value)
        for index, operation in enumerate(self.plan.operations[block.label]):
            self.index = index
            self.observer.before(index, operation)
            walker.step(operation)
            self.observer.after(index, walker)
            self._defined = define(self._defined, operation, self.plan.summarise)
        self.observer.before(len(self.plan.operations[block.label]))
        self._terminate(block, walker)

    def _terminate(self, block: Block, walker: Walker[Value]) -> None:
        match block.terminator:
            case Jump(target):
                self._write_back(walker, block)
                self.b.do(f"br label %{self.observer.way(block.label, target)}")
            case Branch(condition, taken, fallthrough):
                flag = self.domain.convert.flag(walker.read(condition))
                self._write_back(walker, block)
                yes, no = self.observer.way(block.label, taken), self.observer.way(block.label, fallthrough)
                hint = _UNLIKELY if block.label in self.plan.likely else ""
                self.b.do(f"br i1 {flag.text}, label %{yes}, label %{no}{hint}")
            case Switch() as switch:
                self._switch(switch, walker, block)
            case Return():
                self.b.do(f"ret {RESULT} {self._result(walker)}")
            case TailCall() as tail:
                self.leaver.tail_call(tail, walker, self._defined)
            case Unreachable(trap):
                if trap:
                    self.b.declarations.add("declare void @llvm.trap()")
                    self.b.do("call void @llvm.trap()")
                self.b.do("unreachable")

    def _switch(self, switch: Switch, walker: Walker[Value], block: Block) -> None:
        if switch.index is not None and switch.cases:
            number = self.domain.convert.integer(walker.read(switch.index))
            cases = [(value, label) for value, label in switch.cases]
        else:
            target = self.domain.convert.integer(walker.read(switch.selector))
            image = "ptrtoint (ptr @__burnish_image to i64)"
            number = self.b.emit("i64", f"sub i64 {target.text}, {image}")
            cases = [(label.address, label) for label in switch.targets]
        self._write_back(walker, block)
        ways = {label: self.observer.way(block.label, label) for label in switch.targets}
        arms = " ".join(f"{number.type} {value}, label %{ways[label]}" for value, label in cases)
        default = self.b.name()[1:]
        self.b.do(f"switch {number.type} {number.text}, label %{default} [ {arms} ]")
        self.b.lines += [f"{default}:", "  unreachable"]

    def _result(self, walker: Walker[Value]) -> str:
        """The value returned: registers that surely hold something, in the order of ``RESULT``."""
        result = Value("poison", RESULT)
        for i, name in enumerate((*INTEGER_RETURNS, *VECTOR_RETURNS)):
            cell = CELLS[name]
            if not self._defined >> BASE[name] & (1 << cell.size) - 1:
                continue
            value = walker.read_cell(cell, 0, cell.size)
            value = (
                self.domain.convert.integer(value)
                if cell.size == 8
                else self.domain.convert.cast(value, VECTOR)
            )
            text = f"insertvalue {RESULT} {result.text}, {value.type} {value.text}, {i}"
            result = self.b.emit(RESULT, text)
        return result.text
