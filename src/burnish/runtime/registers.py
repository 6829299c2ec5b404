"""The registers of a traced thread, as ``ptrace`` reads and sets them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_REGISTER_NAMES = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)


class Registers(ctypes.Structure):
    """``struct user_regs_struct``: the general registers."""

    r15: int
    r14: int
    r13: int
    r12: int
    rbp: int
    rbx: int
    r11: int
    r10: int
    r9: int
    r8: int
    rax: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    orig_rax: int
    rip: int
    cs: int
    eflags: int
    rsp: int
    ss: int
    fs_base: int
    gs_base: int
    ds: int
    es: int
    fs: int
    gs: int

    _fields_ = [(name, ctypes.c_uint64) for name in _REGISTER_NAMES]

    def copy(self) -> Registers:
        """An independent copy."""
        return Registers.from_buffer_copy(self)

    def get(self, name: str) -> int:
        """A register by name; raises ``AttributeError``."""
        return int(getattr(self, name))


@dataclass(frozen=True, slots=True)
class FloatRegisters:
    """The 512 bytes of FXSAVE: x87, MXCSR and the xmm registers (Intel SDM volume 1, 10.5.1)."""

    data: bytes

    @property
    def control_word(self) -> int:
        """The x87 control word."""
        return int.from_bytes(self.data[0:2], "little")

    @property
    def mxcsr(self) -> int:
        return int.from_bytes(self.data[24:28], "little")

    def xmm(self, index: int) -> int:
        """An xmm register as an unsigned 128-bit integer."""
        return int.from_bytes(self.data[160 + 16 * index : 176 + 16 * index], "little")

    def with_xmm(self, index: int, value: int) -> FloatRegisters:
        """The same but for one xmm register."""
        start = 160 + 16 * index
        return FloatRegisters(self.data[:start] + value.to_bytes(16, "little") + self.data[start + 16 :])
