"""Rebuilt functions for a live process: linked for free places near what they replace, and the jumps to them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from burnish.core.code import Reason, Refused, TailCall
from burnish.core.deployment import Deployment, Method, ObjectCode, Replacement
from burnish.core.errors import HostError
from burnish.core.pcode import OpCode
from burnish.images.elf_layout import ElfLayout, read_layout
from burnish.images.link import Layout, image_resolver
from burnish.images.patch import jump_range, unpatchable
from burnish.pipeline.live_target import LiveTarget, executable_range
from burnish.recompile import Rebuilt
from burnish.record.attachment import Patch, Piece
from burnish.runtime.address_space import Mapping as Mapped
from burnish.runtime.address_space import free_near

_PAGE = 4096
_JUMP = 0xE9
_SLOW_PATH = "burnish_record_slow"
_CALLS = (OpCode.CALL, OpCode.CALLIND)


@dataclass(slots=True)
class IntoProcess:
    """Puts rebuilt functions into a live process. What is to be done there is known afterwards."""

    target: LiveTarget
    live: bool = True
    slow: int = 0
    """Address of the ring's slow path in the process."""
    scratch: int = 0
    """A page that nothing uses."""
    pieces: list[Piece] = field(default_factory=list[Piece])
    patches: list[Patch] = field(default_factory=list[Patch])
    _throws: bool | None = None
    _rows: Mapping[Path, Sequence[Replacement]] = field(default_factory=dict[Path, "Sequence[Replacement]"])

    def unfit(self, path: Path, built: Sequence[Rebuilt]) -> list[Refused]:
        """Those that have no room for a jump, and those that an exception would have to pass through."""
        if self._throws is None:
            self._throws = self.target.may_throw()
        found = {row.address: row for row in unpatchable(path, [_replacement(made) for made in built])}
        for made in built:
            if self._throws and _calls(made):
                reason = "exceptions cannot pass through code that was put into a live process"
                found.setdefault(made.bounds.address, Refused(Reason.UNWIND, made.bounds.address, reason))
        return list(found.values())

    def put(self, replacements: Mapping[Path, Sequence[Replacement]]) -> Deployment:
        """Link them for where there is room now. Raises ``HostError``, ``LinkError`` or ``TargetError``."""
        self._rows = replacements
        self.again()
        return Deployment(self.target.program, Method.EXECUTABLE, (), "")

    def again(self) -> None:
        """Link everything anew. Raises as ``put`` does."""
        self.pieces.clear()
        self.patches.clear()
        mappings = list(self.target.mappings)
        for path, rows in self._rows.items():
            layout = read_layout(path)
            self._image(layout, self.target.base(path, layout), rows, mappings)
        low, high = self.pieces[0].address, self.pieces[0].end
        ring = Layout.of([ObjectCode(_ring(), _SLOW_PATH, 0)])
        address = _free(mappings, low, high, ring.size + 2 * _PAGE)
        code = ring.place(address, lambda name: None)
        self.slow = code.symbols[_SLOW_PATH]
        self.scratch = address + ring.size + -ring.size % _PAGE
        self.pieces.append(Piece(address, code.data.ljust(self.scratch - address + _PAGE, b"\0")))

    def _image(
        self, layout: ElfLayout, base: int, rows: Sequence[Replacement], mappings: list[Mapped]
    ) -> None:
        # Each function by itself: calls go through the original entries, and so back to the original code as soon as
        # that is there again.
        layouts = [Layout.of([row.code]) for row in rows]
        offsets: list[int] = []
        size = 0
        for one in layouts:
            size += -size % one.alignment
            offsets.append(size)
            size += one.size
        low, high = executable_range(layout)
        start = _free(mappings, base + low, base + high, size)
        data = bytearray(b"\xcc" * size)
        for row, one, offset in zip(rows, layouts, offsets, strict=True):
            code = one.place(start + offset, image_resolver(base))
            data[offset : offset + len(code.data)] = code.data
            entry, end = jump_range(layout, row.code.address)
            distance = code.entry(row.code.address) - (base + end)
            jump = bytes([_JUMP]) + distance.to_bytes(4, "little", signed=True)
            place = layout.file_offset(entry, len(jump))
            assert place is not None
            self.patches.append(Patch(base + entry, layout.data[place : place + len(jump)], jump))
        self.pieces.append(Piece(start, bytes(data)))


def _free(mappings: list[Mapped], low: int, high: int, size: int) -> int:
    """A free place near ``low`` … ``high``, which is taken then."""
    found = free_near(mappings, low, high, size)
    if found is None:
        raise HostError("The process has no room for rebuilt code near its own.")
    mappings.append(Mapped(found, found + size + -size % _PAGE, "r-xp", 0, "", 0, ""))
    mappings.sort()
    return found


def _calls(made: Rebuilt) -> bool:
    return any(
        operation.opcode in _CALLS for block in made.function.blocks for operation in block.operations
    ) or any(isinstance(block.terminator, TailCall) for block in made.function.blocks)


def _replacement(made: Rebuilt) -> Replacement:
    return Replacement(made.bounds.name, made.object_code, made.bounds.size, "record", "UNKNOWN (recorded)")


def _ring() -> bytes:
    found = importlib.util.find_spec("burnish._native")
    try:
        if found is None or found.origin is None:
            raise FileNotFoundError
        return Path(found.origin).with_name("burnish_ring.o").read_bytes()
    except OSError as error:
        raise HostError("The native part of burnish is not installed; run pip install again.") from error
