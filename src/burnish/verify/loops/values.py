"""Values that relations speak of: parts of registers, of the frame, and of the entry state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from burnish.core.code import Label
from burnish.machine.registers import CELLS, GPR_NAMES
from burnish.verify.engine.addresses import OBJECT
from burnish.verify.solve.query import Model

Side = Literal["a", "b", "e"]
"""``a`` is the original, ``b`` the rewrite, ``e`` the state in which both are entered."""

FRAME = "frame"
"""In the place of a register's name: memory relative to the stack pointer at entry."""


@dataclass(frozen=True, slots=True)
class Value:
    """``size`` bytes at ``offset`` of a register cell, or of the frame, as they are at a cut (or at entry); or the
    address of an object, with ``&`` and its name for ``cell``.

    In the place of a register's name may be a word of memory (``word``).

    ``extended`` is ``zext`` or ``sext`` for those bytes extended to 8, else empty. ``width`` is in bits.
    """

    side: Side
    cell: str
    offset: int = 0
    size: int = 8
    extended: Literal["", "zext", "sext"] = ""

    @property
    def is_object(self) -> bool:
        return self.cell.startswith(OBJECT)

    @property
    def word(self) -> Word | None:
        """The word of memory that the value is, or is part of."""
        found = _WORD.fullmatch(self.cell)
        if found is None:
            return None
        return Word(unquote(found[1]), int(found[2]), None if found[3] is None else int(found[3]))

    @property
    def width(self) -> int:
        return 64 if self.extended else 8 * self.size

    def __str__(self) -> str:
        if self.cell == FRAME:
            name = f"[entry{self.offset:+d}].{self.size}"
        else:
            name = self.cell if not self.offset else f"{self.cell}[{self.offset}]"
            if not self.is_object and (self.size != whole_size(self.cell) or self.offset):
                name += f".{self.size}"
        text = f"{self.side}:{name}"
        return f"{self.extended}({text})" if self.extended else text


class Word(NamedTuple):
    """Memory ``offset`` bytes from where a register of the original leads, or from an object (``&`` and its name): of
    the original as its loads of a class see it (``pair.Unseen``), or with None of either side as it is."""

    base: str
    offset: int
    kind: int | None


_WORD = re.compile(r"m([\w%]+)([+-]\d+)(?:as(\d+))?")


_BASES = frozenset(GPR_NAMES) - {"rsp"}


def word(side: Side, base: str, offset: int, kind: int | None, size: int) -> Value:
    """A word of memory (``Word``) as a value."""
    name = quote(base, safe="")
    for sign in "-.~":  # which ``quote`` leaves as they are
        name = name.replace(sign, f"%{ord(sign):02X}")
    return Value(side, f"m{name}{offset:+d}" + ("" if kind is None else f"as{kind}"), 0, size)


def whole_size(cell: str) -> int:
    """Bytes of a register, or of the longest word."""
    return CELLS[cell].size if cell in CELLS else 8


_SHAPE = re.compile(
    r"(?:(zext|sext)\()?([abe]):(?:\[entry([+-]\d+)\]|([\w%]+?(?:[+-]\d+(?:as\d+)?)?)(?:\[(\d+)\])?)(?:\.(\d+))?\)?"
)


def value_from_text(text: str) -> Value:
    """The value that ``str`` shows as ``text``; raises ``ValueError`` for anything else."""
    if text.startswith(f"e:{OBJECT}"):
        return Value("e", text.removeprefix("e:"))
    found = _SHAPE.fullmatch(text)
    if found is None or (found[4] is not None and not _is_cell(found[2], found[4])):
        raise ValueError(f"{text!r} names no value of a function")
    extended, side, frame, cell, offset, size = found.groups()
    if frame is not None:
        value = Value(side, FRAME, int(frame), int(size or 8), extended or "")  # type: ignore[arg-type]
    else:
        value = Value(side, cell, int(offset or 0), int(size or whole_size(cell)), extended or "")  # type: ignore[arg-type]
    if str(value) != text or not _exists(value):
        raise ValueError(f"{text!r} names no value of a function")
    return value


def _exists(value: Value) -> bool:
    """False for what is longer than its register, or no size of a value."""
    if value.size not in (1, 2, 4, 8, 16) or (value.extended and value.size > 4):
        return False
    return value.cell == FRAME or value.offset + value.size <= whole_size(value.cell)


def _is_cell(side: str, name: str) -> bool:
    """True for the name of a register, and that of a word of memory that the side may speak of."""
    word = Value("a", name).word
    if word is None:
        return name in CELLS
    sides = "ab" if word.kind is None else "a"
    return side in sides and (word.base in _BASES or word.base.startswith(OBJECT))


@dataclass(frozen=True, slots=True)
class Visit:
    """What one side holds where it passes a cut. ``where`` is the cut's label; None at the entry and at the exit.

    ``cells`` are registers by name as unsigned integers, at entry the addresses of objects, too; ``frame`` the bytes
    of the frame, each by its offset from the entry stack pointer, as far as the run touched them; ``outer`` stands for
    the content of all other memory: equal where, and only where, that is equal (but for the chance of a hash). ``path``
    are the blocks since the visit before.
    """

    where: Label | None
    cells: Mapping[str, int] = field(repr=False)
    frame: Mapping[int, int] = field(repr=False)
    outer: int = field(repr=False)
    path: tuple[Label, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class Sample:
    """Both sides at a matched pair of visits of one run, and the state at entry."""

    entry: Visit
    a: Visit
    b: Visit
    model: Model | None = field(default=None, repr=False)
    """For what is no run, but a solver's idea of one: all that is known of the entry state."""

    def __getitem__(self, value: Value) -> int | None:
        """The value as an unsigned integer; None where the run did not touch that part of the frame, and for words of
        memory, which are known of no run."""
        visit = self.a if value.side == "a" else self.b if value.side == "b" else self.entry
        if value.cell == FRAME:
            raw = 0
            for k in range(value.size):
                byte = visit.frame.get(value.offset + k)
                if byte is None:
                    return None
                raw |= byte << 8 * k
        else:
            whole = visit.cells.get(value.cell) if value.word else visit.cells[value.cell]
            if whole is None:
                return None
            raw = whole >> 8 * value.offset & (1 << 8 * value.size) - 1
        if value.extended == "sext" and raw >> (8 * value.size - 1):
            raw |= (1 << 64) - (1 << 8 * value.size)
        return raw
