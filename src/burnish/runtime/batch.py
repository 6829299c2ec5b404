"""Many machine states at once: what isolated execution takes and gives, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from burnish.core.image import Access
from burnish.core.state import Faulted, SystemCall, TimedOut

DEFAULT_CODE_ADDRESS = 0x400000
DEFAULT_RETURN_ADDRESS = 0x200000


class Status(IntEnum):
    """How one execution of a batch ended; the classes of ``Outcome`` as numbers."""

    FINISHED = 1
    FAULTED = 2
    TIMED_OUT = 3
    SYSTEM_CALL = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """``execution_seconds`` is processor time for one execution (kept to within about 20 ms); ``batch_seconds`` is
    elapsed time for all executions of one code, after which the rest is ``TimedOut``; ``memory_bytes`` bounds
    the address space of tested code."""

    execution_seconds: float = 0.25
    batch_seconds: float = 60.0
    memory_bytes: int = 1 << 32


@dataclass(frozen=True, slots=True)
class Placement:
    """Where code lies and how it ends.

    Code ends when it runs past its last byte. With ``return_address`` it also ends by a return to that address, which
    is stored in the 8 bytes at each state's ``rsp`` before the execution, as a call would have done; without (None),
    nothing is stored. ``entry`` is where execution starts if not at ``address``; code may then be empty, and run in
    memory regions that can be executed.
    """

    address: int = DEFAULT_CODE_ADDRESS
    return_address: int | None = None
    entry: int | None = None


RETURNING = Placement(return_address=DEFAULT_RETURN_ADDRESS)
"""Code at the default address that ends by ``ret``."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Memory of a batch, set to its contents before each execution.

    ``contents`` is uint8 of shape ``(states, size)``, or ``(size,)`` for the same in all states. Memory without write
    access takes only the latter. The rest of a window's pages can be read (its bytes are unspecified); a store there
    makes the execution ``Faulted`` with ``rip`` 0. What a window holds afterwards is a result where it is ``observed``
    and can be written.
    """

    address: int
    contents: NDArray[np.uint8] = field(repr=False)
    access: Access = Access.READ | Access.WRITE
    observed: bool = True

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.contents.shape[-1])

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def is_result(self) -> bool:
        """True where a result has what it holds afterwards."""
        return self.observed and Access.WRITE in self.access


@dataclass(frozen=True, slots=True, eq=False)
class StateBatch:
    """N machine states that share their memory's layout.

    ``gpr`` is uint64 ``(N, 16)`` in encoding order, ``xmm`` uint64 ``(N, 16, 2)`` (low half first), ``flags`` uint64
    ``(N,)``, ``mxcsr`` uint32 ``(N,)`` or None for the default in all.
    """

    gpr: NDArray[np.uint64]
    xmm: NDArray[np.uint64]
    flags: NDArray[np.uint64]
    windows: tuple[Window, ...] = ()
    mxcsr: NDArray[np.uint32] | None = None
    fs_base: int = 0

    def __len__(self) -> int:
        return len(self.flags)


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """The states after. Rows of ``gpr``, ``xmm``, ``flags``, ``mxcsr`` and ``windows`` are zero where ``status`` is not
    ``Status.FINISHED``.

    ``status`` is uint8 ``(N,)`` of ``Status``; ``number`` uint32 ``(N,)``: the signal of a fault, or the number of a
    system call; ``address`` and ``rip`` uint64 ``(N,)`` as in ``Faulted``. ``windows`` has one uint8 array
    ``(N, size)`` for each window of the batch that ``is_result``, in order.
    """

    gpr: NDArray[np.uint64]
    xmm: NDArray[np.uint64]
    flags: NDArray[np.uint64]
    mxcsr: NDArray[np.uint32]
    windows: tuple[NDArray[np.uint8], ...]
    status: NDArray[np.uint8]
    number: NDArray[np.uint32]
    address: NDArray[np.uint64]
    rip: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.status)

    def stop(self, index: int) -> Faulted | TimedOut | SystemCall | None:
        """How the execution of that state was stopped; None if it finished."""
        match Status(int(self.status[index])):
            case Status.FINISHED:
                return None
            case Status.FAULTED:
                return Faulted(int(self.number[index]), int(self.address[index]), int(self.rip[index]))
            case Status.TIMED_OUT:
                return TimedOut()
            case Status.SYSTEM_CALL:
                return SystemCall(int(self.number[index]))
