"""Puts a function's probes where they belong while it is emitted (``emit``); without probes it does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.core.code import Block, Label
from burnish.core.pcode import OpCode, Operation
from burnish.core.recording import Edge
from burnish.domains.llvm import FRAME, Builder, LlvmDomain, Value
from burnish.domains.walker import Walker
from burnish.recompile.numbering import CALLS
from burnish.recompile.probes import Probes, Words, contents, count, string_addresses


class Observer:
    """Writes the probes of one function. ``names`` are those of its blocks in the LLVM function."""

    def __init__(
        self, probes: Probes | None, builder: Builder, domain: LlvmDomain, names: Mapping[Label, str]
    ) -> None:
        self.probes = probes
        self.b = builder
        self.domain = domain
        self.names = names
        self.ways: dict[str, list[str]] = {}
        """Blocks of edges that have a probe, by name."""
        self._place = (Label(0), 0)
        self._words: Words | None = None

    def begin(self, block: Block, walker: Walker[Value]) -> None:
        """A block begins."""
        self._words = None
        self._place = (block.label, 0)
        if self.probes is None:
            return
        name = self.names[block.label]
        self.probes.at_entry(self.b, block, name)
        if self.probes.trace_bytes == 8:
            self._words = Words(self.probes, self.b, block.label, name)
            self._words.at_entry(walker, self.domain.convert)

    def before(self, index: int, operation: Operation | None = None) -> None:
        """An operation is about to be emitted, the block's ``index``-th; or, without one, the block to be ended."""
        self._place = (self._place[0], index)
        if self._words is not None:
            self._words.before(index, call=operation is None or operation.opcode in CALLS)

    def after(self, index: int, walker: Walker[Value]) -> None:
        """The operation with that index was emitted."""
        if self._words is not None:
            self._words.after(index, walker, self.domain.convert)

    def accesses(self, address: Value, space: str, pointer: str) -> None:
        """The current operation is about to access memory."""
        if self.probes is None or address.type == FRAME or self.probes.has_content(self._place):
            return
        self._access([f"ptrtoint {space} {pointer} to i64"], segment=space != "ptr")

    def accessed(self, address: Value, space: str, pointer: str, value: Value, size: int) -> None:
        """The current operation has accessed memory, which holds ``value``."""
        if self._words is None or address.type == FRAME:
            return
        if self.probes is None or not self.probes.has_content(self._place):
            return
        found = self._addresses([f"ptrtoint {space} {pointer} to i64"], space != "ptr")
        words = contents(self.b, self.domain.convert, value, size)
        self._words.at_access(self._place[1], found, words)

    def string(self, operation: Operation, walker: Walker[Value]) -> None:
        """The current operation is about to move or set a string, if it does such a thing."""
        if self.probes is not None and operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS):
            self._access(string_addresses(operation, walker, self.domain.convert), segment=False)

    def _access(self, addresses: Sequence[str], *, segment: bool) -> None:
        if self._words is None or self.probes is None or self._place not in self.probes.numbering.sites:
            return
        self._words.at_access(self._place[1], self._addresses(addresses, segment))

    def _addresses(self, addresses: Sequence[str], segment: bool) -> list[str]:
        found = [self.b.emit("i64", text).text for text in addresses]
        if segment:
            base = self.b.emit("i64", "load i64, ptr addrspace(257) null, align 8")
            found = [self.b.emit("i64", f"add i64 {base.text}, {found[0]}").text]
        return found

    def way(self, source: Label, target: Label) -> str:
        """The name to branch to on the way from one block to another: that of the edge's counting probe, if it has
        one."""
        counter = None if self.probes is None else self.probes.numbering.taken.get(Edge(source, target))
        if counter is None:
            return self.names[target]
        name = f"{self.names[source]}.{self.names[target]}"
        lines, self.b.lines = self.b.lines, [f"{name}:"]
        count(self.b, counter)
        self.b.do(f"br label %{self.names[target]}")
        self.ways[name], self.b.lines = self.b.lines, lines
        return name
