"""x86-64 registers as p-code places them, and their roles in the System V ABI.

Offsets are those of Ghidra's ``x86:LE:64:default`` language. A *cell* is a full register: every access to a part
of it (``AL``, ``AH``, ``XMM0_Da``) is an access to the cell at its base.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.pcode import Space, Varnode

GPR_NAMES = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
"""In encoding order: the index is the number in ModRM."""

GPR_OFFSETS = tuple(8 * i for i in range(8)) + tuple(0x80 + 8 * i for i in range(8))
FLAG_OFFSETS = {"cf": 0x200, "pf": 0x202, "af": 0x204, "zf": 0x206, "sf": 0x207, "df": 0x20A, "of": 0x20B}
RIP_OFFSET = 0x288
FS_OFFSET = 0x110
GS_OFFSET = 0x118
MXCSR_OFFSET = 0x1094
VECTOR_BASE = 0x1200
VECTOR_STRIDE = 0x40
VECTOR_COUNT = 16


@dataclass(frozen=True, slots=True)
class Cell:
    """A full register: the unit in which values are kept. ``size`` in bytes."""

    name: str
    offset: int
    size: int

    @property
    def varnode(self) -> Varnode:
        return Varnode(Space.REGISTER, self.offset, self.size)


GPR_CELLS = tuple(Cell(n, o, 8) for n, o in zip(GPR_NAMES, GPR_OFFSETS, strict=True))
FLAG_CELLS = tuple(Cell(n, o, 1) for n, o in FLAG_OFFSETS.items())
VECTOR_CELLS = tuple(Cell(f"xmm{i}", VECTOR_BASE + VECTOR_STRIDE * i, 16) for i in range(VECTOR_COUNT))
CELLS: dict[str, Cell] = {c.name: c for c in (*GPR_CELLS, *FLAG_CELLS, *VECTOR_CELLS)}

_BY_OFFSET: dict[int, Cell] = {c.offset + k: c for c in CELLS.values() for k in range(c.size)}


def cell_of(varnode: Varnode) -> Cell | None:
    """The cell that holds a register varnode; None for registers that we do not model, or an access that leaves
    its cell (the upper halves of YMM)."""
    cell = _BY_OFFSET.get(varnode.offset)
    if cell is None or varnode.offset + varnode.size > cell.offset + cell.size:
        return None
    return cell


def gpr(name: str, size: int = 8) -> Varnode:
    """The low ``size`` bytes of a general register, by its 64-bit name."""
    return Varnode(Space.REGISTER, CELLS[name].offset, size)


def xmm(number: int, size: int = 16) -> Varnode:
    """The low ``size`` bytes of a vector register."""
    return Varnode(Space.REGISTER, VECTOR_BASE + VECTOR_STRIDE * number, size)


# System V ABI, AMD64 supplement, section 3.2.3.
INTEGER_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
VECTOR_ARGUMENTS = tuple(f"xmm{i}" for i in range(8))
INTEGER_RETURNS = ("rax", "rdx")
VECTOR_RETURNS = ("xmm0", "xmm1")
RETURNS = (*INTEGER_RETURNS, *VECTOR_RETURNS)
CALLEE_SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
CALLER_SAVED = tuple(n for n in CELLS if n not in CALLEE_SAVED and n not in ("rsp", "df"))
"""Everything that a call may change, flags included."""


def _part_names() -> dict[str, tuple[str, int, int]]:
    names = {cell.name: (cell.name, 0, cell.size) for cell in CELLS.values()}
    for cell in GPR_CELLS:
        full = cell.name
        if full[1:].isdigit():
            names |= {full + suffix: (full, 0, size) for suffix, size in (("d", 4), ("w", 2), ("b", 1))}
            continue
        short = full[1:]
        low = f"{short[0]}l" if short.endswith("x") else f"{short}l"
        names |= {f"e{short}": (full, 0, 4), short: (full, 0, 2), low: (full, 0, 1)}
        if short.endswith("x"):
            names[f"{short[0]}h"] = (full, 1, 1)
    return names


_PART_NAMES = _part_names()


def register_part(name: str) -> tuple[str, int, int] | None:
    """``(cell, offset, size)`` in bytes of a register by the name that assembly has for it (``eax``, ``r8b``, ``ah``,
    ``xmm3``), in lower case; None for no such name."""
    return _PART_NAMES.get(name)
