"""The memory of a stopped process as isolated execution takes it, and what was mapped in the course of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from burnish.core.entry import EntryState
from burnish.core.errors import ImageError
from burnish.core.image import Access
from burnish.core.state import MachineState, MemoryRegion
from burnish.images.elf_layout import read_layout
from burnish.record.replaying import PAGE, Page
from burnish.runtime import ptrace
from burnish.runtime.address_space import Mapping, image_base, mapping_at
from burnish.runtime.visit import Visit

_MAIN_STACK = "[stack]"
_MAIN_STACK_BYTES = 8 << 20
"""How far the main stack may grow by itself: what a process has unless it is told otherwise."""
_FRAME_BYTES = 256 << 10
"""How far below its entry the frames of a call may reach on a stack that is not the main one."""


class LiveMemory:
    """The memory of the process of a visit. What the kernel writes on its own account (``rseq``: on which processor the
    thread runs) counts as never changed."""

    def __init__(self, visit: Visit) -> None:
        """Looks at what is mapped now."""
        self._visit = visit
        self._mappings = visit.mappings
        self._rseq = ptrace.rseq_configuration(visit.thread.tid)

    def dead_from(self, rsp: int) -> int:
        """Where the frames of a call with that stack pointer end at the latest."""
        stack = mapping_at(self._mappings, rsp)
        if stack is None:
            return rsp
        if stack.path == _MAIN_STACK:
            return max(stack.end - _MAIN_STACK_BYTES, rsp - _MAIN_STACK_BYTES)
        return max(stack.start, rsp - _FRAME_BYTES)

    def page(self, address: int) -> Page | str:
        """The page at a page's address; or why it cannot be had, as the rest of a sentence about the function."""
        mapping = mapping_at(self._mappings, address)
        if mapping is None:
            if self._is_room_of_the_stack(address):
                return Page(address, bytes(PAGE), Access.READ | Access.WRITE)
            return f"reaches {address:#x}, where nothing is mapped"
        if not (mapping.readable or mapping.writable or mapping.executable):
            return f"reaches {address:#x}, which is protected"
        data = self._visit.read(address, PAGE)
        if len(data) != PAGE:
            if mapping.path.startswith("[vvar"):
                return "reads the kernel's clock (vdso)"
            return f"reaches {address:#x} in {mapping.path or 'memory'}, which cannot be read"
        return Page(address, data, access_of(mapping))

    def after(self, entry: EntryState, registers: MachineState) -> MachineState | None:
        """The state at the return, with the pages of the entry; None where one of them is gone."""
        found: list[MemoryRegion] = []
        for region in entry.state.memory:
            data = bytearray()
            for address in range(region.address, region.end, PAGE):
                page = self._visit.read(address, PAGE)
                if len(page) != PAGE:
                    if not self._is_room_of_the_stack(address):
                        return None
                    page = bytes(PAGE)
                data += page
            found.append(replace(region, data=self._without_rseq(region, data)))
        return replace(registers, memory=tuple(found))

    def _without_rseq(self, before: MemoryRegion, after: bytearray) -> bytes:
        if self._rseq is not None:
            low = max(self._rseq.pointer, before.address) - before.address
            high = min(self._rseq.pointer + self._rseq.size, before.end) - before.address
            if low < high:
                after[low:high] = before.data[low:high]
        return bytes(after)

    def _is_room_of_the_stack(self, address: int) -> bool:
        return any(
            mapping.path == _MAIN_STACK and mapping.end - _MAIN_STACK_BYTES <= address < mapping.start
            for mapping in self._mappings
        )


def access_of(mapping: Mapping) -> Access:
    """What may be done with a mapping."""
    parts = (
        (mapping.readable, Access.READ),
        (mapping.writable, Access.WRITE),
        (mapping.executable, Access.EXECUTE),
    )
    found = Access(0)
    for there, access in parts:
        if there:
            found |= access
    return found


@dataclass(slots=True)
class MappingTable:
    """What was mapped in each process when entries were captured. A mapping that has grown counts once, as it was
    last."""

    rows: dict[tuple[int, int, str, int, str], int] = field(
        default_factory=dict[tuple[int, int, str, int, str], int]
    )
    """By process, start, access, offset and path: the end."""

    def add(self, process: int, mappings: tuple[Mapping, ...]) -> None:
        """Takes in what is mapped now."""
        for mapping in mappings:
            if mapping.path == _MAIN_STACK:  # it grows downwards
                for old in [row for row in self.rows if row[0] == process and row[4] == _MAIN_STACK]:
                    del self.rows[old]
            key = (process, mapping.start, mapping.access, mapping.offset, mapping.path)
            self.rows[key] = max(mapping.end, self.rows.get(key, 0))

    def listed(self) -> list[tuple[int, int, int, str, int, str, int | None]]:
        """Process, start, end, access, offset in the file, path, and base: what is added to the image addresses of the
        file; None where it is no image."""
        found: list[tuple[int, int, int, str, int, str, int | None]] = []
        bases: dict[tuple[int, str], int | None] = {}
        for (process, start, access, offset, path), end in sorted(self.rows.items()):
            if (process, path) not in bases:
                bases[process, path] = self._base(process, path)
            name = path.encode(errors="surrogateescape").decode(errors="replace")
            found.append((process, start, end, access, offset, name, bases[process, path]))
        return found

    def _base(self, process: int, path: str) -> int | None:
        if not path.startswith("/"):
            return None
        own = [
            Mapping(start, end, access, offset, "", 1, name)
            for (pid, start, access, offset, name), end in self.rows.items()
            if pid == process and name == path
        ]
        if not any(mapping.executable for mapping in own):
            return None
        try:
            return image_base(own, Path(path), read_layout(Path(path)))
        except (ImageError, OSError):
            return None
