"""Probes: what a recompiled function writes down while it runs.

A thread's area lies at the base of ``gs`` (``native/record_preload.c``): at offset 0 the address of the next trace
record, at 8 the address from which on the slow path must be called, at 16 the address of the slow path, from 4096 on
the counters. A counting probe is one addition; a tracing probe is an exchange-and-add, stores, and a comparison whose
branch is hardly ever taken. Both leave a signal handler's own records in order.

A trace record is the number of a block. Where more than blocks is recorded, records are words of eight bytes: the upper
16 bits of the first are the number of a site, and the rest an address, after which the bytes that were accessed may
come; or they are ``BLOCK_MARK``, and the rest the number of a block; or ``GROUP_MARK``, and the rest the number of a
group, after which its values come. The first word is written last: until then it is zero. What lies at a fixed place in
the function's own frame has no record: rebuilt code keeps it in registers.

Where only bursts are recorded, each record is written if the word at 128 is not zero, and each block's start counts the
word at 136 down; below zero it calls what is at 144, which turns the one over and sets the other again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.core.code import Block, Label
from burnish.core.pcode import OpCode, Operation
from burnish.core.recording import Access, Numbering, ResultGroup, Site
from burnish.domains.llvm import Builder, Value
from burnish.domains.llvm.convert import Converter
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS

COUNTERS = 4096
"""Offset of the first counter in an area."""
_SLOW, _ON, _LEFT, _TURN = 16, 128, 136, 144
_GS = "ptr addrspace(256)"
BLOCK_MARK, GROUP_MARK = 0xFFFF, 0xFFFE
SITE_SHIFT = 48
MOST_SITES = GROUP_MARK
GAP = 0xFFFFFFFF
"""Number of no block: before it, blocks were not written down."""
_ASM = "nounwind memory(inaccessiblemem: readwrite)"
"""Probes change nothing that the function can see: LLVM may keep its loads and stores across them."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What to write down in a function. ``trace_bytes`` is the size of a trace record: 2 or 4, 8 for words, and 0 for
    no trace; ``blocks`` whether blocks are traced, ``contents`` whether the bytes of accesses are, ``bursts`` whether
    only bursts are written."""

    numbering: Numbering
    trace_bytes: int = 0
    blocks: bool = True
    contents: bool = False
    bursts: bool = False

    def at_entry(self, builder: Builder, block: Block, name: str) -> None:
        """Write the probes of a block's start. ``name`` is a prefix for labels."""
        counter = self.numbering.entered.get(block.label)
        if counter is not None:
            count(builder, counter)
        if not self.trace_bytes:
            return
        if self.bursts:
            _count_down(builder, name)
        if self.blocks:
            number = self.numbering.blocks[block.label]
            mark = _signed(BLOCK_MARK << SITE_SHIFT | number) if self.trace_bytes == 8 else number
            self.write(builder, [str(mark)], self.trace_bytes, name)

    def at_snapshot(
        self, builder: Builder, label: Label, walker: Walker[Value], convert: Converter, name: str
    ) -> None:
        """Write the probe that takes a block's snapshot, if there is one."""
        group = self.numbering.snapshots.get(label)
        if group is not None:
            cells = [CELLS[register] for register in group.registers]
            values = [_word(builder, convert.integer(walker.read_cell(cell, 0, 8))) for cell in cells]
            self.write(builder, [_group_word(group.number), *values], 8, f"{name}.g")

    def at_access(
        self, builder: Builder, place: tuple[Label, int], addresses: Sequence[str], name: str
    ) -> None:
        """Write the probes of a load, a store or a string instruction. ``addresses`` are integers of 64 bits, one for
        each of its sites."""
        for site, address in zip(self.numbering.sites.get(place, ()), addresses, strict=False):
            self.write(builder, [_access_word(builder, site, address)], 8, f"{name}.s{site.number}")

    def at_content(
        self, builder: Builder, place: tuple[Label, int], address: str, words: Sequence[str], name: str
    ) -> None:
        """Write the probe of a load or store with the bytes that it accessed."""
        (site,) = self.numbering.sites[place]
        self.write(builder, [_access_word(builder, site, address), *words], 8, f"{name}.s{site.number}")

    def has_content(self, place: tuple[Label, int]) -> bool:
        """Whether the bytes of that access are written down."""
        return self.contents and any(has_content(site) for site in self.numbering.sites.get(place, ()))

    def results(self, builder: Builder, label: Label, name: str) -> Results:
        """The probes of a block's results, to be told of each of its operations."""
        return Results(self, builder, list(self.numbering.groups.get(label, ())), name)

    def write(self, builder: Builder, words: Sequence[str], size: int, name: str) -> None:
        """Write a trace record of words of ``size`` bytes each. ``name`` is a prefix for labels."""
        if not self.bursts:
            _write_record(builder, words, size, name)
            return
        on = builder.emit("i64", f"load volatile i64, {_at(_ON)}, align 8")
        flag = builder.emit("i1", f"icmp ne i64 {on.text}, 0")
        builder.do(f"br i1 {flag.text}, label %{name}.on, label %{name}.off")
        builder.lines.append(f"{name}.on:")
        _write_record(builder, words, size, name)
        builder.do(f"br label %{name}.off")
        builder.lines.append(f"{name}.off:")


@dataclass(slots=True)
class Results:
    """Collects the results of one block and writes them down in groups."""

    _probes: Probes
    _builder: Builder
    _groups: list[ResultGroup]
    _name: str
    _kept: list[str] = field(default_factory=list[str])

    def before(self, index: int) -> None:
        """The operation with that index comes next, or the block's end."""
        while self._groups and self._groups[0].before == index:
            group = self._groups.pop(0)
            words = [_group_word(group.number), *self._kept]
            self._probes.write(self._builder, words, 8, f"{self._name}.g{group.number}")
            self._kept.clear()

    def after(self, index: int, walker: Walker[Value], convert: Converter) -> None:
        """The operation with that index is done."""
        for site in self._groups[0].results if self._groups else ():
            if site.index == index:
                value = walker.read_cell(CELLS[site.register], site.offset, site.size)
                self._kept.append(_word(self._builder, convert.integer(value)))


def has_content(site: Site) -> bool:
    """Whether a site can have its bytes written down."""
    return site.access in (Access.LOAD, Access.STORE)


def content_words(site: Site) -> int:
    """Words of 64 bits that its bytes take."""
    return (site.size + 7) // 8 if has_content(site) else 0


def contents(builder: Builder, convert: Converter, value: Value, size: int) -> list[str]:
    """The bytes of an access as names of words of 64 bits."""
    if size <= 8:
        return [_word(builder, convert.integer(value))]
    pair = convert.cast(value, "<2 x i64>")
    return [builder.emit("i64", f"extractelement <2 x i64> {pair.text}, i32 {k}").text for k in range(2)]


def string_addresses(operation: Operation, walker: Walker[Value], convert: Converter) -> list[str]:
    """LLVM expressions of what ``rep movs`` or ``rep stos`` is about to handle: where it begins, and how many bytes.
    Backwards it never goes: code that sets the direction flag is refused."""
    nodes = operation.inputs
    pointers = nodes[:2] if operation.opcode is OpCode.REP_MOVS else nodes[:1]
    texts = [f"ptrtoint ptr {convert.pointer(walker.read(node)).text} to i64" for node in pointers]
    count_of = convert.integer(walker.read(nodes[2])).text
    return [*texts, f"mul i64 {count_of}, {nodes[3].offset}"]


def count(builder: Builder, counter: int) -> None:
    """Write an addition of one to a counter."""
    place = _at(COUNTERS + 8 * counter)
    before = builder.emit("i64", f"load i64, {place}, align 8")
    after = builder.emit("i64", f"add i64 {before.text}, 1")
    builder.do(f"store i64 {after.text}, {place}, align 8")


def _at(offset: int) -> str:
    return f"{_GS} inttoptr (i64 {offset} to {_GS})"


def _signed(word: int) -> int:
    return word - (word >> 63 << 64)


def _group_word(number: int) -> str:
    return str(_signed(GROUP_MARK << SITE_SHIFT | number))


def _access_word(builder: Builder, site: Site, address: str) -> str:
    return builder.emit("i64", f"or i64 {address}, {_signed(site.number << SITE_SHIFT)}").text


def _word(builder: Builder, value: Value) -> str:
    """An integer as one of 64 bits."""
    if value.const is not None:
        return str(_signed(value.const & (1 << 64) - 1))
    return (
        value.text
        if value.type == "i64"
        else builder.emit("i64", f"zext {value.type} {value.text} to i64").text
    )


def _count_down(builder: Builder, name: str) -> None:
    before = builder.emit("i64", f"load volatile i64, {_at(_LEFT)}, align 8")
    after = builder.emit("i64", f"sub i64 {before.text}, 1")
    builder.do(f"store volatile i64 {after.text}, {_at(_LEFT)}, align 8")
    flag = builder.emit("i1", f"icmp slt i64 {after.text}, 0")
    _call_if(builder, flag.text, _TURN, f"{name}.turn")


def _call_if(builder: Builder, flag: str, offset: int, name: str) -> None:
    """Write a call, hardly ever made, of the address at an offset of the area."""
    builder.do(f"br i1 {flag}, label %{name}.full, label %{name}.go, !prof !1")
    builder.lines.append(f"{name}.full:")
    slow = builder.emit("ptr", f"load ptr, {_at(offset)}, align 8")
    builder.do(f"call preserve_allcc void {slow.text}() {_ASM}")
    builder.do(f"br label %{name}.go")
    builder.lines.append(f"{name}.go:")


def _write_record(builder: Builder, words: Sequence[str], size: int, name: str) -> None:
    """Write a trace record. ``words`` are integers of ``size`` bytes, literals or names."""
    first, *rest = words
    if not rest:
        pair = _one_word(builder, first, size)
    else:
        place = builder.emit(
            "i64",
            'call i64 asm sideeffect "xaddq $0, %gs:0", "=r,0,~{dirflag},~{fpsr},~{flags}"'
            f"(i64 {8 * len(words)}) {_ASM}",
        ).text
        for k, word in enumerate(rest, 1):
            text = f"movq $1, {8 * k}($0)"
            builder.do(f'call void asm sideeffect "{text}", "r,re"(i64 {place}, i64 {word}) {_ASM}')
        text = "movq $2, ($1)\\0Acmpq %gs:8, $1"
        pair = builder.emit(
            "i8",
            f'call i8 asm sideeffect "{text}", "={{@ccae}},r,r,~{{flags}}"(i64 {place}, i64 {first}) {_ASM}',
        ).text
    flag = builder.emit("i1", f"trunc i8 {pair} to i1")
    _call_if(builder, flag.text, _SLOW, name)


def _one_word(builder: Builder, value: str, size: int) -> str:
    suffix, width = {2: ("w", "i16"), 4: ("l", "i32"), 8: ("q", "i64")}[size]
    text = f"xaddq $0, %gs:0\\0Amov{suffix} $2, ($0)\\0Acmpq %gs:8, $0"
    constraint = "ri" if size < 8 and value.isdigit() else "r"
    constraints = f"=&r,={{@ccae}},{constraint},0,~{{dirflag}},~{{fpsr}},~{{flags}}"
    pair = builder.emit(
        "{ i64, i8 }",
        f'call {{ i64, i8 }} asm sideeffect "{text}", "{constraints}"({width} {value}, i64 {size}) {_ASM}',
    )
    return builder.emit("i8", f"extractvalue {{ i64, i8 }} {pair.text}, 1").text
