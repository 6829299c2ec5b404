"""The child processes in which both sides of many pairs run."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from burnish.runtime.batch import BatchResult, Limits, Placement, StateBatch
from burnish.runtime.isolation import RETURNING, Executor

_QUICK = Limits(execution_seconds=0.002, batch_seconds=0.4)
# On a busy machine much time may pass in which nothing runs: only processor time counts here.
_PATIENT = Limits(execution_seconds=0.05, batch_seconds=60.0)


class Bench:
    """Executors that many trials share; a context manager. Not for two threads at once.

    ``quick`` gives up on an execution after some thousandths of a second, ``patient`` after ten times that: only
    what runs on there too is believed to run on.
    """

    def __init__(self) -> None:
        self.quick = Executor(_QUICK)
        self.patient = Executor(_PATIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child processes. The bench can be used again."""
        self.quick.close()
        self.patient.close()

    def run(
        self, code: bytes, states: StateBatch, placement: Placement = RETURNING, *, patiently: bool = False
    ) -> BatchResult:
        """Runs code on each state; as ``Executor.run_batch``."""
        executor = self.patient if patiently else self.quick
        return executor.run_batch(code, states, placement)
