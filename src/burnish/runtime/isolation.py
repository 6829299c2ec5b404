"""Isolated execution: machine code runs on given registers and memory in a child process.

The child is confined (no system calls, no descriptors, limits on time and memory) and its address space is empty
but for what the caller asks for, so a region can lie at any address below 2^47 that the kernel allows, and every
page beside one is unmapped. Faults, endless loops and system calls are outcomes; the child survives them. An
execution that ends the child is tried again in a new one, and ``Faulted`` if it ends that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from burnish import _native
from burnish.core.errors import HostError
from burnish.core.image import Access
from burnish.core.state import Finished, MachineState, MemoryRegion, Outcome
from burnish.runtime.batch import (
    DEFAULT_CODE_ADDRESS,
    DEFAULT_RETURN_ADDRESS,
    RETURNING,
    BatchResult,
    Limits,
    Placement,
    StateBatch,
    Status,
    Window,
)
from burnish.runtime.isolation_layout import Layout

__all__ = [
    "DEFAULT_CODE_ADDRESS",
    "DEFAULT_RETURN_ADDRESS",
    "RETURNING",
    "BatchResult",
    "Executor",
    "Limits",
    "Placement",
    "StateBatch",
    "Status",
    "Window",
]


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
        self._layout: Layout | None = None
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
        self._layout = None

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
        layout = self._layout = Layout.of(codes, states, placement or Placement(), self._layout)
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
        tuple(np.zeros((count, window.size), np.uint8) for window in states.windows if window.is_result),
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
