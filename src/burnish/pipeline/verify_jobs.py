"""Many pairs of functions, some at a time: each job is a process of its own with its own solvers, so that one that dies
costs one function and not the whole."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import cast

from burnish.core.errors import BurnishError, UsageError
from burnish.core.verdict import Unknown
from burnish.pipeline.judging import Task
from burnish.pipeline.verifying import FunctionVerdict
from burnish.runtime.command import signal_name

Judge = Callable[[Task], FunctionVerdict]


def judged(
    tasks: Sequence[Task], jobs: int, make: Callable[[], Judge]
) -> Iterator[tuple[int, FunctionVerdict]]:
    """``(number, verdict)`` of each task as they are done. ``make`` is called in each job's process. Raises
    ``UsageError`` with the sentence of what a task raises on purpose."""
    pool = _Pool(tasks, make)
    try:
        for _ in range(min(jobs, len(tasks))):
            pool.start()
        while pool.running:
            yield from pool.step()
    finally:
        pool.close()


class _Pool:
    """Processes, each with the number of the task that it is at."""

    def __init__(self, tasks: Sequence[Task], make: Callable[[], Judge]) -> None:
        # Forked and not started anew: the files are read already, and programs that call us are not imported again.
        self._context = multiprocessing.get_context("fork")
        self._tasks = tasks
        self._make = make
        self._waiting = list(range(len(tasks)))[::-1]
        self.running: dict[Connection, tuple[BaseProcess, int]] = {}
        self._started: list[tuple[Connection, BaseProcess]] = []

    def start(self) -> None:
        """One more process, if there is something to do."""
        if not self._waiting:
            return
        ours, theirs = self._context.Pipe()
        # A job that kept the parent's ends would not notice that the parent is gone.
        others = (ours, *(connection for connection, _ in self._started))
        process = self._context.Process(target=_serve, args=(theirs, others, self._make, self._tasks))
        self._started.append((ours, process))
        process.start()
        theirs.close()
        self._hand_out(ours, process)

    def step(self) -> Iterator[tuple[int, FunctionVerdict]]:
        """Waits until some are done."""
        for ready in cast("list[Connection]", wait(list(self.running))):
            process, number = self.running.pop(ready)
            try:
                answer: object = ready.recv()
            except (EOFError, OSError):
                process.join()
                yield number, _died(self._tasks[number], process.exitcode or 0)
                self.start()
                continue
            if isinstance(answer, str):
                raise UsageError(answer)
            yield number, cast("FunctionVerdict", answer)
            self._hand_out(ready, process)

    def _hand_out(self, connection: Connection, process: BaseProcess) -> None:
        number = self._waiting.pop() if self._waiting else -1
        with suppress(OSError):
            connection.send(number)
        if number < 0:
            process.join()
            connection.close()
        else:
            self.running[connection] = process, number

    def close(self) -> None:
        """Ends what still runs: an interrupt may come when a job is not among those that have a task."""
        begun = [process for _, process in self._started if process.pid is not None]
        for process in begun:
            process.terminate()
        for process in begun:
            process.join()


def _serve(
    connection: Connection, others: Sequence[Connection], make: Callable[[], Judge], tasks: Sequence[Task]
) -> None:
    # Ctrl-C goes to the whole group: the parent decides, and ends its jobs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        other.close()
    judge = make()
    with suppress(EOFError, OSError):  # the parent is gone
        while (number := cast("int", connection.recv())) >= 0:
            connection.send(_answer(judge, tasks[number]))


def _answer(judge: Judge, task: Task) -> FunctionVerdict | str:
    try:
        return judge(task)
    except BurnishError as error:
        return str(error)


def _died(task: Task, code: int) -> FunctionVerdict:
    how = f"by {signal_name(-code)}" if code < 0 else f"with exit code {code}"
    reason = f"the process that worked on it ended {how}"
    return FunctionVerdict(task.functions[0].name, task.functions[1].name, Unknown(reason), reason)
