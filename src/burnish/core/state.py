"""What a processor holds before and after a piece of code, and how running it can end."""

from __future__ import annotations

from dataclasses import dataclass, field

from burnish.core.image import Access

FLAGS_MASK = 0xCD5
"""The RFLAGS bits that belong to a state: CF 0x1, PF 0x4, AF 0x10, ZF 0x40, SF 0x80, DF 0x400, OF 0x800."""

DEFAULT_MXCSR = 0x1F80
"""Round to nearest, all exceptions masked, no flag raised: what a process starts with."""


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """Bytes at an address, and what code may do with them."""

    address: int
    data: bytes = field(repr=False)
    access: Access = Access.READ | Access.WRITE

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class MachineState:
    """Registers and memory.

    ``gpr`` are 16 unsigned 64-bit integers in encoding order (rax rcx rdx rbx rsp rbp rsi rdi r8 … r15); ``xmm`` 16
    unsigned 128-bit integers (lane 0 in the lowest bits); ``flags`` RFLAGS within ``FLAGS_MASK``. All memory that is
    not in ``memory`` is absent. Upper halves of vector registers and x87 are not part of a state: code finds them
    zero and initialised.
    """

    gpr: tuple[int, ...] = (0,) * 16
    xmm: tuple[int, ...] = (0,) * 16
    flags: int = 0
    mxcsr: int = DEFAULT_MXCSR
    memory: tuple[MemoryRegion, ...] = ()
    fs_base: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The code reached its end. ``state.memory`` has the regions of the state before, in the same order."""

    state: MachineState


@dataclass(frozen=True, slots=True)
class Faulted:
    """The code was stopped by a signal (``signal.SIGSEGV``, ``SIGBUS``, ``SIGFPE``, ``SIGILL``, ``SIGTRAP``).

    ``address`` is the address accessed (SIGSEGV, SIGBUS) or of the instruction; 0 where the CPU does not tell
    (a non-canonical address, a privileged instruction). ``rip`` is the faulting instruction (SIGTRAP: the one after
    ``int3``); 0 where it is not known. Code that ended its process, twice, has the signal that ended it
    (``SIGKILL`` where the process gave up because its own state was overwritten), and 0 for both addresses.
    """

    signal: int
    address: int
    rip: int


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The code did not end within the limit."""


@dataclass(frozen=True, slots=True)
class SystemCall:
    """The code asked for a system call, which was not carried out."""

    number: int


Outcome = Finished | Faulted | TimedOut | SystemCall
