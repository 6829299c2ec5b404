"""Isolated execution: machine code runs on given registers and memory in a child process.

The child is confined (no system calls, no descriptors, limits on time and memory) and its address space is empty
but for what the caller asks for, so a region can lie at any address below 2^47 that the kernel allows, and every
page beside one is unmapped. Faults, endless loops and system calls are outcomes; the child survives them. An
execution that ends the child is tried again in a new one, and ``Faulted`` if it ends that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from burnish import _native
from burnish.core.errors import HostError
from burnish.core.image import Access
from burnish.core.state import (
    DEFAULT_MXCSR,
    FLAGS_MASK,
    Faulted,
    Finished,
    MachineState,
    MemoryRegion,
    Outcome,
    SystemCall,
    TimedOut,
)

DEFAULT_CODE_ADDRESS = 0x400000
DEFAULT_RETURN_ADDRESS = 0x200000

_PAGE = 4096
_TOP = 1 << 47
_STUB = 21
"""Bytes of the jump out of tested code that follows it and stands at the return address."""


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
    makes the execution ``Faulted`` with ``rip`` 0.
    """

    address: int
    contents: NDArray[np.uint8] = field(repr=False)
    access: Access = Access.READ | Access.WRITE

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.contents.shape[-1])

    @property
    def end(self) -> int:
        return self.address + self.size


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
    ``(N, size)`` for each writable window of the batch, in order.
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


class Executor:
    """A confined child process that runs code; a context manager.

    Not for two threads at once (``HostError``); any number of executors can exist. The child is started by the first
    run, ends with ``close`` or with this process, and is replaced when it dies.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """Raises ``ValueError`` for limits that are not positive."""
        self.limits = limits or Limits()
        if min(self.limits.execution_seconds, self.limits.batch_seconds, self.limits.memory_bytes) <= 0:
            raise ValueError("limits must be positive")
        self._native = _native.Executor(
            str(Path(_native.__file__).with_name("burnish_executor")),
            self.limits.execution_seconds,
            self.limits.batch_seconds,
            self.limits.memory_bytes,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child. The executor can be used again, with another."""
        self._native.close()

    @property
    def pid(self) -> int | None:
        """The child's process number; None while there is none."""
        return self._native.pid or None

    def run(self, code: bytes, state: MachineState, placement: Placement | None = None) -> Outcome:
        """Runs ``code`` once.

        Raises ``ValueError`` for values out of range or memory that overlaps, and ``HostError`` where this machine
        cannot provide the child or the memory.
        """
        windows = tuple(
            Window(region.address, np.frombuffer(region.data, np.uint8), region.access)
            for region in state.memory
        )
        result = self.run_batch(code, _batch_of(state, windows), placement)
        stop = result.stop(0)
        if stop is not None:
            return stop
        written = iter(result.windows)
        memory = tuple(
            MemoryRegion(region.address, next(written).tobytes(), region.access)
            if Access.WRITE in region.access
            else region
            for region in state.memory
        )
        halves = [(int(low), int(high)) for low, high in result.xmm[0]]
        return Finished(
            MachineState(
                tuple(int(value) for value in result.gpr[0]),
                tuple(low | high << 64 for low, high in halves),
                int(result.flags[0]),
                int(result.mxcsr[0]),
                memory,
                state.fs_base,
            )
        )

    def run_batch(self, code: bytes, states: StateBatch, placement: Placement | None = None) -> BatchResult:
        """Runs ``code`` once on each state. Raises as ``run`` does."""
        return self.run_batches([code], states, placement)[0]

    def run_batches(
        self, codes: Sequence[bytes], states: StateBatch, placement: Placement | None = None
    ) -> tuple[BatchResult, ...]:
        """Runs each of several codes (an original and its rewrites) on each state, all at the same address. Memory is
        laid out once. Raises as ``run`` does."""
        layout = _Layout.of(codes, states, placement or Placement())
        results = tuple(_empty_result(states) for _ in codes)
        try:
            for code, result in zip(codes, results, strict=True):
                self._native.run(
                    layout.memory, layout.code(code), layout.before(states, result), _after(result)
                )
        except RuntimeError as error:
            raise HostError(str(error)) from error
        return results


def _batch_of(state: MachineState, windows: tuple[Window, ...]) -> StateBatch:
    if len(state.gpr) != 16 or len(state.xmm) != 16:
        raise ValueError("a state has 16 general and 16 vector registers")
    halves = [half for value in state.xmm for half in (value & (1 << 64) - 1, value >> 64)]
    try:
        return StateBatch(
            np.array([state.gpr], np.uint64),
            np.array(halves, np.uint64).reshape(1, 16, 2),
            np.array([state.flags], np.uint64),
            windows,
            np.array([state.mxcsr], np.uint32),
            state.fs_base,
        )
    except OverflowError as error:
        raise ValueError("a register's value is out of range") from error


def _empty_result(states: StateBatch) -> BatchResult:
    count = len(states)
    return BatchResult(
        np.zeros((count, 16), np.uint64),
        np.zeros((count, 16, 2), np.uint64),
        np.zeros(count, np.uint64),
        np.zeros(count, np.uint32),
        tuple(
            np.zeros((count, window.size), np.uint8)
            for window in states.windows
            if Access.WRITE in window.access
        ),
        np.zeros(count, np.uint8),
        np.zeros(count, np.uint32),
        np.zeros(count, np.uint64),
        np.zeros(count, np.uint64),
    )


def _after(result: BatchResult) -> _native.ExecutorResults:
    return _native.ExecutorResults(
        result.gpr,
        result.xmm,
        result.flags,
        result.mxcsr,
        result.status,
        result.number,
        result.address,
        result.rip,
    )


def _check_states(states: StateBatch) -> None:
    count = len(states)
    if (
        states.gpr.shape != (count, 16)
        or states.xmm.shape != (count, 16, 2)
        or states.flags.shape != (count,)
    ):
        raise ValueError("gpr, xmm and flags must have shapes (N, 16), (N, 16, 2) and (N,)")
    if states.mxcsr is not None and states.mxcsr.shape != (count,):
        raise ValueError("mxcsr must have shape (N,)")
    if np.any(states.flags & np.uint64(~FLAGS_MASK & (1 << 64) - 1)):
        raise ValueError(f"flags must lie within {FLAGS_MASK:#x}")
    if states.mxcsr is not None and np.any(states.mxcsr > 0xFFFF):
        raise ValueError("mxcsr must lie within 0xffff")
    if not 0 <= states.fs_base < _TOP:
        raise ValueError("fs_base must lie below 2^47")
    for window in states.windows:
        rows = window.contents.shape[0] if window.contents.ndim == 2 else 0
        if window.contents.ndim not in (1, 2) or (window.contents.ndim == 2 and rows != count):
            raise ValueError(f"the window at {window.address:#x} must have shape (size,) or (N, size)")
        if window.contents.ndim == 2 and Access.WRITE not in window.access:
            raise ValueError(
                f"the window at {window.address:#x} cannot be written, so all states must share it"
            )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes that something is to occupy."""

    address: int
    end: int
    access: Access
    what: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Memory of one batch as the native executor wants it."""

    memory: _native.ExecutorLayout
    slacks: list[tuple[int, int]]
    placement: Placement
    room: int
    fs_base: int

    @classmethod
    def of(cls, codes: Sequence[bytes], states: StateBatch, placement: Placement) -> _Layout:
        _check_states(states)
        longest = max((len(code) for code in codes), default=0)
        placed = longest > 0 or placement.entry is None
        pieces = [
            _Piece(window.address, window.end, window.access, "a memory region") for window in states.windows
        ]
        executable = Access.READ | Access.EXECUTE
        if placed:
            end = placement.address + longest + _STUB
            pieces.append(_Piece(placement.address, end, executable, "the code"))
        if placement.return_address is not None:
            end = placement.return_address + _STUB
            pieces.append(_Piece(placement.return_address, end, executable, "the return address"))
        pieces.sort(key=lambda piece: piece.address)
        _check_pieces(pieces)
        pages = _pages(pieces)
        return cls(
            memory=_native.ExecutorLayout(
                _maps(pages),
                [
                    (window.address, np.ascontiguousarray(window.contents))
                    for window in states.windows
                    if Access.WRITE not in window.access
                ],
                [] if placement.return_address is None else [placement.return_address],
            ),
            slacks=_gaps(pieces, pages),
            placement=placement,
            room=longest + _STUB if placed else 0,
            fs_base=states.fs_base,
        )

    def code(self, code: bytes) -> _native.ExecutorCode:
        place = self.placement
        entry = place.address if place.entry is None else place.entry
        return _native.ExecutorCode(
            code, place.address, self.room, entry, place.return_address or 0, self.fs_base
        )

    def before(self, states: StateBatch, result: BatchResult) -> _native.ExecutorStates:
        observed = iter(result.windows)
        mxcsr = states.mxcsr
        return _native.ExecutorStates(
            np.ascontiguousarray(states.gpr),
            np.ascontiguousarray(states.xmm),
            np.ascontiguousarray(states.flags),
            np.full(len(states), DEFAULT_MXCSR, np.uint32) if mxcsr is None else np.ascontiguousarray(mxcsr),
            [
                (window.address, np.ascontiguousarray(np.atleast_2d(window.contents)), next(observed))
                for window in states.windows
                if Access.WRITE in window.access
            ],
            self.slacks,
        )


def _check_pieces(pieces: Sequence[_Piece]) -> None:
    for piece in pieces:
        if piece.end <= piece.address:
            raise ValueError(f"{piece.what} at {piece.address:#x} is empty")
        if piece.address < _PAGE or piece.end > _TOP - _PAGE:
            raise ValueError(
                f"{piece.what} at {piece.address:#x} lies outside the address space of a process"
            )
    for one, other in pairwise(pieces):
        if other.address < one.end:
            raise ValueError(f"{other.what} at {other.address:#x} overlaps {one.what} at {one.address:#x}")


def _pages(pieces: Sequence[_Piece]) -> list[tuple[int, int, Access]]:
    """Page ranges ``(start, end, access)`` that hold the sorted pieces: disjoint, sorted, neighbours of one access
    joined. Raises ``ValueError`` where a page would need two kinds of access."""
    ranges: list[tuple[int, int, Access]] = []
    for piece in pieces:
        start, end = piece.address & -_PAGE, -(-piece.end // _PAGE) * _PAGE
        if ranges:
            last_start, last_end, access = ranges[-1]
            if start < last_end and access != piece.access:
                raise ValueError(
                    f"{piece.what} at {piece.address:#x} shares a page with memory of other access"
                )
            if start <= last_end and access == piece.access:
                ranges[-1] = (last_start, max(last_end, end), access)
                continue
        ranges.append((start, end, piece.access))
    return ranges


def _maps(pages: Sequence[tuple[int, int, Access]]) -> list[tuple[int, int, int]]:
    """The ranges as ``(address, size, PROT_*)``."""
    return [
        (
            start,
            end - start,
            (1 if Access.READ in access else 0)
            | (2 if Access.WRITE in access else 0)
            | (4 if Access.EXECUTE in access else 0),
        )
        for start, end, access in pages
    ]


def _gaps(pieces: Sequence[_Piece], pages: Sequence[tuple[int, int, Access]]) -> list[tuple[int, int]]:
    """``(address, size)`` of what lies in writable page ranges and in no piece."""
    gaps: list[tuple[int, int]] = []
    for start, end, access in pages:
        if Access.WRITE not in access:
            continue
        position = start
        for piece in pieces:
            if not start <= piece.address < end:
                continue
            if piece.address > position:
                gaps.append((position, piece.address - position))
            position = piece.end
        if position < end:
            gaps.append((position, end - position))
    return gaps
