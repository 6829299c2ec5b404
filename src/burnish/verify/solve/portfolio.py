"""One query put to several solver processes at once, under one clock."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.verify.solve.backend import Reply
from burnish.verify.solve.flat import Flat
from burnish.verify.solve.process import SolverProcess

HEAD_START_SECONDS = 0.05
"""How long the first solver is alone: most queries are decided by then, and cost one core."""
_LATE_SECONDS = 0.3
"""How long after its time a solver's answer is waited for."""


@dataclass(slots=True)
class Attempt:
    """What one solver made of the query. ``reply`` is None while it has none."""

    process: SolverProcess
    starts_at: float
    started_at: float | None = None
    ended_at: float = 0.0
    tries: int = 0
    running: bool = False
    reply: Reply | None = None

    @property
    def seconds(self) -> float:
        """How long the solver was at it."""
        return 0.0 if self.started_at is None else max(0.0, self.ended_at - self.started_at)


@dataclass(slots=True)
class Race:
    """Solvers at work on one query until ``enough`` says so of a reply, or the deadline (``time.monotonic``).

    With ``together`` all begin at once; else, each waits for its turn: after a head start of the one before it where
    the cores allow, and when that one has given up."""

    processes: Sequence[SolverProcess]
    flat: Flat
    deadline: float
    enough: Callable[[str, Reply], bool]
    together: bool = False
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    def run(self) -> list[Attempt]:
        """The attempts that were begun, each with its reply. Raises ``HostError`` if a solver is not installed."""
        self._plan()
        try:
            while not self._step():
                pass
        finally:
            self._stop()
        return [attempt for attempt in self.attempts if attempt.started_at is not None]

    def _plan(self) -> None:
        now = time.monotonic()
        cores = len(os.sched_getaffinity(0))
        left = max(0.0, self.deadline - now)
        gap = 0.0 if self.together else HEAD_START_SECONDS if cores > 1 else left / len(self.processes)
        self.attempts = [Attempt(process, now + index * gap) for index, process in enumerate(self.processes)]

    def _step(self) -> bool:
        """Starts what is due and takes what has come. True when the race is over."""
        now = time.monotonic()
        waiting = [attempt for attempt in self.attempts if attempt.reply is None]
        if not waiting or now > self.deadline + _LATE_SECONDS:
            return True
        running = [attempt for attempt in waiting if attempt.running]
        for attempt in waiting:
            if not attempt.running and (now >= attempt.starts_at or not running):
                self._begin(attempt)
                running.append(attempt)
        running = [attempt for attempt in running if attempt.running]
        later = [attempt.starts_at for attempt in waiting if not attempt.running and attempt.reply is None]
        until = min([self.deadline + _LATE_SECONDS + 0.001, *later])
        over = False
        for attempt in _ready(running, until - now):
            over = self._take(attempt) or over
        return over

    def _begin(self, attempt: Attempt) -> None:
        now = time.monotonic()
        if attempt.started_at is None:
            attempt.started_at = now
        attempt.tries += 1
        left = self.deadline - now
        if left <= 0:
            self._finish(attempt, ("undecided", "out of time"))
            return
        try:
            attempt.process.submit(self.flat, self.deadline)
            attempt.running = True
        except OSError:
            self._died(attempt, f"{attempt.process.name} ended")

    def _take(self, attempt: Attempt) -> bool:
        try:
            reply = attempt.process.receive()
        except EOFError as error:
            self._died(attempt, str(error))
            return False
        if reply is None:
            return False
        self._finish(attempt, reply)
        return self.enough(attempt.process.name, reply)

    def _died(self, attempt: Attempt, how: str) -> None:
        # Once can be an accident, or someone else's hand; twice is the query.
        attempt.process.kill()
        attempt.running = False
        attempt.starts_at = 0.0
        if attempt.tries > 1:
            self._finish(attempt, ("undecided", how))

    def _finish(self, attempt: Attempt, reply: Reply) -> None:
        attempt.reply = reply
        attempt.running = False
        attempt.ended_at = time.monotonic()

    def _stop(self) -> None:
        """Tells whoever still works that it is not wanted. Nobody waits for it to notice."""
        late = time.monotonic() > self.deadline
        for attempt in self.attempts:
            if attempt.reply is None and attempt.started_at is not None:
                attempt.process.cancel()
                self._finish(attempt, ("undecided", "out of time" if late else "interrupted"))


def _ready(attempts: Sequence[Attempt], seconds: float) -> list[Attempt]:
    if not attempts:
        return []
    with selectors.PollSelector() as selector:
        for attempt in attempts:
            selector.register(attempt.process.fileno(), selectors.EVENT_READ, attempt)
        return [key.data for key, _ in selector.select(max(0.0, seconds))]
