"""Probes: what a recompiled function writes down while it runs.

A thread's area lies at the base of ``gs`` (``native/record_preload.c``): at offset 0 the address of the next trace
record, at 8 the address from which on the slow path must be called, at 16 the address of the slow path, from 4096 on
the counters. A counting probe is one addition; a tracing probe is an exchange-and-add, stores, and a comparison whose
branch is hardly ever taken. Both leave a signal handler's own records in order.

A trace record is the number of a block. Where more than blocks is recorded, records are words of eight bytes: the upper
16 bits of the first are the number of a site, and the rest an address, after which the bytes that were accessed may
come; or they are ``BLOCK_MARK``, and the rest the number of a block; or ``GROUP_MARK``, and the rest the number of a
group, after which its values come. The words of a block up to its first call, and those between calls, are reserved
together; the first word of each record is written last: until then it is zero. What lies at a fixed place in the
function's own frame has no record: rebuilt code keeps it in registers.

Where only bursts are recorded, a record is written if the word at 128 is not zero (words go to the place at 120 if it
is), and each block's start counts the word at 136 down; below zero it calls what is at 144, which turns the one over
and sets the other again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.core.code import Block, Label
from burnish.core.pcode import OpCode, Operation
from burnish.core.recording import Access, Numbering, Site
from burnish.domains.llvm import Builder, Value
from burnish.domains.llvm.convert import Converter
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS

COUNTERS = 4096
"""Offset of the first counter in an area."""
_SLOW, _NOWHERE, _ON, _LEFT, _TURN = 16, 120, 128, 136, 144
_GS = "ptr addrspace(256)"
BLOCK_MARK, GROUP_MARK = 0xFFFF, 0xFFFE
SITE_SHIFT = 48
MOST_SITES = GROUP_MARK
GAP = 0xFFFFFFFF
"""Number of no block: before it, blocks were not written down."""
_MOST_WORDS = 400
"""That are reserved together: fewer than the ring keeps free behind its limit (``native/record_preload.c``)."""
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
        if self.trace_bytes < 8 and self.blocks:
            self._write_number(builder, self.numbering.blocks[block.label], name)

    def _write_number(self, builder: Builder, number: int, name: str) -> None:
        if not self.bursts:
            _write_number(builder, number, self.trace_bytes, name)
            return
        flag = _is_on(builder)
        builder.do(f"br i1 {flag}, label %{name}.on, label %{name}.off")
        builder.lines.append(f"{name}.on:")
        _write_number(builder, number, self.trace_bytes, name)
        builder.do(f"br label %{name}.off")
        builder.lines.append(f"{name}.off:")

    def has_content(self, place: tuple[Label, int]) -> bool:
        """Whether the bytes of that access are written down."""
        return self.contents and any(has_content(site) for site in self.numbering.sites.get(place, ()))


class Words:
    """Writes the records of one block whose records are words. ``name`` is a prefix for labels."""

    def __init__(self, probes: Probes, builder: Builder, label: Label, name: str) -> None:
        self._probes = probes
        self._b = builder
        self._label = label
        self._name = name
        self._groups = list(probes.numbering.groups.get(label, ()))
        self._kept: list[str] = []
        self._parts = 0
        self._reservation = -1
        """Index of the line that reserves the words, -1 where none are."""
        self._base = ""
        self._size = 0

    def at_entry(self, walker: Walker[Value], convert: Converter) -> None:
        """The block's mark, and its snapshot, if they are wanted."""
        if self._probes.blocks:
            mark = _signed(BLOCK_MARK << SITE_SHIFT | self._probes.numbering.blocks[self._label])
            self._write([str(mark)])
        snapshot = self._probes.numbering.snapshots.get(self._label)
        if snapshot is not None:
            cells = [CELLS[register] for register in snapshot.registers]
            values = [_word(self._b, convert.integer(walker.read_cell(cell, 0, 8))) for cell in cells]
            self._write([_group_word(snapshot.number), *values])

    def at_access(self, index: int, addresses: Sequence[str], contents: Sequence[str] = ()) -> None:
        """An access of the operation with that index. ``addresses`` are integers of 64 bits, one for each of its sites;
        ``contents`` the words that were accessed, where they are recorded."""
        sites = self._probes.numbering.sites.get((self._label, index), ())
        for site, address in zip(sites, addresses, strict=False):
            self._write([_access_word(self._b, site, address), *contents])

    def before(self, index: int, *, call: bool) -> None:
        """The operation with that index comes next, or the block's end (a call, where ``call``)."""
        while self._groups and self._groups[0].before == index:
            self._write([_group_word(self._groups.pop(0).number), *self._kept])
            self._kept.clear()
        if call:
            self._close()

    def after(self, index: int, walker: Walker[Value], convert: Converter) -> None:
        """The operation with that index is done: its results are kept for their group."""
        for site in self._groups[0].results if self._groups else ():
            if site.index == index:
                value = walker.read_cell(CELLS[site.register], site.offset, site.size)
                self._kept.append(_word(self._b, convert.integer(value)))

    def _write(self, words: Sequence[str]) -> None:
        if self._size + 8 * len(words) > 8 * _MOST_WORDS:
            self._close()
        if self._reservation < 0:
            self._reserve()
        first, *rest = words
        for k, word in enumerate((*rest, first)):
            offset = self._size + 8 * (k + 1 if k < len(rest) else 0)
            text = f"movq $1, {offset}($0)"
            self._b.do(f'call void asm sideeffect "{text}", "r,re"(i64 {self._base}, i64 {word}) {_ASM}')
        self._size += 8 * len(words)

    def _reserve(self) -> None:
        """Begin a part; how many words it has is put in when it ends."""
        self._parts += 1
        name = f"{self._name}.w{self._parts}"
        if self._probes.bursts:
            flag = _is_on(self._b)
            self._b.do(f"br i1 {flag}, label %{name}.on, label %{name}.off")
            self._b.lines.append(f"{name}.on:")
        self._base = self._b.name()
        self._reservation = len(self._b.lines)
        self._b.lines.append("")
        if self._probes.bursts:
            self._b.do(f"br label %{name}.both")
            self._b.lines.append(f"{name}.off:")
            nowhere = self._b.emit("i64", f"load i64, {_at(_NOWHERE)}, align 8")
            self._b.do(f"br label %{name}.both")
            self._b.lines.append(f"{name}.both:")
            ways = f"[ {self._base}, %{name}.on ], [ {nowhere.text}, %{name}.off ]"
            self._reserved, self._base = self._base, self._b.emit("i64", f"phi i64 {ways}").text
        else:
            self._reserved = self._base

    def _close(self) -> None:
        """End a part: what was reserved is written."""
        if self._reservation < 0:
            return
        self._b.lines[self._reservation] = (
            f'  {self._reserved} = call i64 asm sideeffect "xaddq $0, %gs:0", "=r,0,~{{dirflag}},~{{fpsr}},~{{flags}}"'
            f"(i64 {self._size}) {_ASM}"
        )
        full = self._b.emit(
            "i8",
            f'call i8 asm sideeffect "cmpq %gs:8, $1", "={{@ccae}},r,~{{flags}}"(i64 {self._base}) {_ASM}',
        )
        flag = self._b.emit("i1", f"trunc i8 {full.text} to i1")
        _call_if(self._b, flag.text, _SLOW, f"{self._name}.w{self._parts}")
        self._reservation, self._size = -1, 0


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


def _is_on(builder: Builder) -> str:
    on = builder.emit("i64", f"load volatile i64, {_at(_ON)}, align 8")
    return builder.emit("i1", f"icmp ne i64 {on.text}, 0").text


def _write_number(builder: Builder, number: int, size: int, name: str) -> None:
    """Write a trace record of ``size`` bytes."""
    suffix, width = {2: ("w", "i16"), 4: ("l", "i32")}[size]
    text = f"xaddq $0, %gs:0\\0Amov{suffix} $2, ($0)\\0Acmpq %gs:8, $0"
    constraints = "=&r,={@ccae},ri,0,~{dirflag},~{fpsr},~{flags}"
    pair = builder.emit(
        "{ i64, i8 }",
        f'call {{ i64, i8 }} asm sideeffect "{text}", "{constraints}"({width} {number}, i64 {size}) {_ASM}',
    )
    full = builder.emit("i8", f"extractvalue {{ i64, i8 }} {pair.text}, 1")
    flag = builder.emit("i1", f"trunc i8 {full.text} to i1")
    _call_if(builder, flag.text, _SLOW, name)
