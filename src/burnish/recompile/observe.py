"""Puts a function's probes where they belong while it is emitted (``emit``); without probes it does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.core.code import Block, Label
from burnish.core.pcode import OpCode, Operation
from burnish.core.recording import Edge
from burnish.domains.llvm import FRAME, Builder, LlvmDomain, Value
from burnish.domains.walker import Walker
from burnish.recompile.probes import Probes, Results, contents, count, string_addresses


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
        self._results: Results | None = None

    def begin(self, block: Block, walker: Walker[Value]) -> None:
        """A block begins."""
        self._results = None
        self._place = (block.label, 0)
        if self.probes is not None:
            name = self.names[block.label]
            self.probes.at_entry(self.b, block, name)
            self.probes.at_snapshot(self.b, block.label, walker, self.domain.convert, f"{name}.h")
            self._results = self.probes.results(self.b, block.label, name)

    def before(self, index: int) -> None:
        """The operation with that index is about to be emitted, or the block to be ended."""
        self._place = (self._place[0], index)
        if self._results is not None:
            self._results.before(index)

    def after(self, index: int, walker: Walker[Value]) -> None:
        """The operation with that index was emitted."""
        if self._results is not None:
            self._results.after(index, walker, self.domain.convert)

    def accesses(self, address: Value, space: str, pointer: str) -> None:
        """The current operation is about to access memory."""
        if self.probes is None or address.type == FRAME or self.probes.has_content(self._place):
            return
        self._access([f"ptrtoint {space} {pointer} to i64"], segment=space != "ptr")

    def accessed(self, address: Value, space: str, pointer: str, value: Value, size: int) -> None:
        """The current operation has accessed memory, which holds ``value``."""
        if self.probes is None or address.type == FRAME or not self.probes.has_content(self._place):
            return
        found = self._addresses([f"ptrtoint {space} {pointer} to i64"], space != "ptr")
        words = contents(self.b, self.domain.convert, value, size)
        self.probes.at_content(self.b, self._place, found[0], words, self.names[self._place[0]])

    def string(self, operation: Operation, walker: Walker[Value]) -> None:
        """The current operation is about to move or set a string, if it does such a thing."""
        if self.probes is not None and operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS):
            self._access(string_addresses(operation, walker, self.domain.convert), segment=False)

    def _access(self, addresses: Sequence[str], *, segment: bool) -> None:
        if self.probes is not None and self._place in self.probes.numbering.sites:
            found = self._addresses(addresses, segment)
            self.probes.at_access(self.b, self._place, found, self.names[self._place[0]])

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
