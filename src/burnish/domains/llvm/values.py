"""Values of the LLVM domain, and the builder that writes instructions as text.

Text, not llvmlite's object builder: a function has thousands of instructions, and building them as text and
parsing once is ten times faster.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME = "frame"
"""Type of a value that is the stack pointer at entry plus a known offset."""
SEGMENT = "segment"
"""Type of a value that is the base of ``fs`` plus the 64-bit integer ``text``."""


@dataclass(slots=True, eq=False)
class Value:
    """An LLVM value: ``text`` is how it is written, ``type`` its LLVM type (or ``FRAME``, ``SEGMENT``).

    ``const`` is set for integer literals; ``offset`` for frame addresses; ``origin`` remembers how a flag or a
    difference was made, so that conditions come out as one comparison.
    """

    text: str
    type: str
    const: int | None = None
    offset: int = 0
    origin: tuple[str, ...] = ()


def int_type(size: int) -> str:
    """The LLVM integer of ``size`` bytes."""
    return f"i{8 * size}"


_SIZES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "i128": 16, "ptr": 8, "float": 4, "double": 8,
    FRAME: 8, SEGMENT: 8,
}  # fmt: skip


def size_of(kind: str) -> int:
    """Bytes of a value of that type."""
    known = _SIZES.get(kind)
    if known is not None:
        return known
    if kind.startswith("<"):
        count, _, lane = kind[1:-1].partition(" x ")
        return int(count) * size_of(lane)
    return int(kind[1:]) // 8


def vector_type(lane: int, size: int, *, floating: bool = False) -> str:
    """The vector of ``size`` bytes with lanes of ``lane`` bytes."""
    element = ("float" if lane == 4 else "double") if floating else int_type(lane)
    return f"<{size // lane} x {element}>"


class Builder:
    """Collects the text of one function: instructions of the current block, and what goes to its entry block."""

    def __init__(self, declarations: set[str] | None = None) -> None:
        """``declarations`` are the module's, where several functions share them."""
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.declarations: set[str] = set() if declarations is None else declarations
        self._serial = 0
        self._frame_offsets: dict[int, str] = {}

    def name(self) -> str:
        """A fresh value name."""
        self._serial += 1
        return f"%v{self._serial}"

    def emit(self, kind: str, text: str) -> Value:
        """Write ``name = text``; the result has type ``kind``."""
        self._serial += 1
        name = f"%v{self._serial}"
        self.lines.append(f"  {name} = {text}")
        return Value(name, kind)

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append("  " + text)

    def call(self, kind: str, function: str, arguments: str, parameters: str) -> Value:
        """Call an LLVM intrinsic, declared on first use."""
        self.declarations.add(f"declare {kind} @{function}({parameters})")
        return self.emit(kind, f"call {kind} @{function}({arguments})")

    def frame_pointer(self, offset: int, low: int) -> str:
        """The pointer to frame offset ``offset`` (made once, in the entry block)."""
        name = self._frame_offsets.get(offset)
        if name is None:
            self._serial += 1
            name = self._frame_offsets[offset] = f"%f{self._serial}"
            base, distance = ("%frame", offset - low) if offset < 8 else ("%stack", offset - 8)
            self.entry.append(f"  {name} = getelementptr i8, ptr {base}, i64 {distance}")
        return name
