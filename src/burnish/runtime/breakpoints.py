"""The breakpoints in one memory: bytes of ``int3`` in place of others."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from burnish.images.elf_layout import PT_DYNAMIC, PT_PHDR, ProgramHeader
from burnish.runtime.address_space import AT_PHDR, AT_PHNUM, auxiliary_vector
from burnish.runtime.ptrace import Memory

_INT3 = b"\xcc"
_DT_DEBUG = 21


@dataclass(slots=True)
class Space:
    """The memory of one or more processes, and the breakpoints in it.

    ``hidden`` has the original byte at each place that ever had a breakpoint, ``placed`` those that have one
    now. ``points`` maps the points whose image is loaded to its base.
    """

    pid: int
    memory: Memory
    hidden: dict[int, bytes] = field(default_factory=dict[int, bytes])
    placed: set[int] = field(default_factory=set[int])
    points: dict[int, int] = field(default_factory=dict[int, int])
    entry: int = 0
    loader: int = 0

    def insert(self, address: int) -> None:
        """Places a breakpoint, unless other bytes than ever before are there: what was loaded is gone."""
        if address in self.placed:
            return
        original = self.memory.read(address, 1)
        if len(original) == 1 and self.hidden.setdefault(address, original) == original:
            self.memory.write(address, _INT3)
            self.placed.add(address)

    def remove(self, address: int) -> None:
        """Takes a breakpoint out, unless what was loaded there is gone."""
        if address in self.placed:
            self.placed.discard(address)
            if self.memory.read(address, 1) == _INT3:
                self.memory.write(address, self.hidden[address])

    def forget(self, address: int) -> None:
        """Drops a breakpoint in what is loaded no more."""
        self.placed.discard(address)
        self.hidden.pop(address, None)

    def caused(self, address: int) -> bool:
        """True if a thread trapped at ``address`` because of a breakpoint that is or was there."""
        return address in self.placed or (address in self.hidden and self.memory.read(address, 1) != _INT3)

    def copy(self, pid: int) -> Space:
        """The same for a process that has just been forked off, with the breakpoints as they are known here."""
        memory = Memory(pid)
        for address, original in self.hidden.items():
            memory.write(address, _INT3 if address in self.placed else original)
        return Space(
            pid, memory, dict(self.hidden), set(self.placed), dict(self.points), self.entry, self.loader
        )


def loader_breakpoint(space: Space) -> int:
    """``r_debug.r_brk``: where the dynamic loader passes after it has loaded or unloaded something; 0 in a
    static program."""
    vector = auxiliary_vector(space.pid)
    size = ProgramHeader.SIZE
    table = space.memory.read(vector.get(AT_PHDR, 0), size * min(vector.get(AT_PHNUM, 0), 0xFFFF))
    headers = [
        ProgramHeader(*fields)
        for fields in struct.iter_unpack("<IIQQQQQQ", table[: len(table) // size * size])
    ]
    own = next((h for h in headers if h.type == PT_PHDR), None)
    dynamic = next((h for h in headers if h.type == PT_DYNAMIC), None)
    if own is None or dynamic is None:
        return 0
    base = vector[AT_PHDR] - own.vaddr
    entries = space.memory.read(base + dynamic.vaddr, dynamic.memsz)
    for tag, value in struct.iter_unpack("<qQ", entries[: len(entries) // 16 * 16]):
        if tag == _DT_DEBUG and value:
            return space.memory.word(value + 16) or 0
    return 0
