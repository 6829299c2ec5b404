"""Rebuilds functions in processes of their own: LLVM ends the process at what it holds to be a bug, and now and then
takes for ever or eats all memory. A child that dies, or uses up its limits, costs one function and not the whole.

A child is a plain Python that runs ``serve``, not one of ``multiprocessing``: those import the user's main module
once more. It reads pickled jobs from its standard input and writes pickled answers to its standard output;
each child loads an image once and keeps what it has found out about it.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, TypeVar, cast

from burnish.core.code import Reason, Refused
from burnish.core.errors import BurnishError, HostError
from burnish.core.image import Image
from burnish.images import load
from burnish.recompile import Summaries, Target
from burnish.recompile.callers import Callers
from burnish.runtime.bounded_run import processor_time
from burnish.runtime.command import signal_name
from burnish.runtime.interrupts import interrupts_held

JOBS = 2
LIMIT_S = 60.0
"""Processor time that a function may take. The largest of Lua, Perl and SQLite take up to 15 s."""
MEMORY = 8 << 30
"""Address space of a child in bytes."""
_PATIENCE = 10
"""Limit by the clock, as a multiple of that of processor time: the machine may be busy."""
_POLL_S = 0.5
_MOST_WAITING = 64
"""Jobs that are made before a child is free to take them."""
_HEADER = struct.Struct("<Q")
_PR_SET_PDEATHSIG = 1
_CHILD = "import sys; from burnish.pipeline.workers import serve; serve(int(sys.argv[1]), int(sys.argv[2]))"


@dataclass(frozen=True, slots=True)
class _Bug:
    """The traceback of a child."""

    text: str


Answer = TypeVar("Answer", covariant=True)


@dataclass(slots=True)
class Known:
    """What a child knows of the images that it has had to do with."""

    _images: dict[Path, tuple[Image, Summaries, Callers]] = field(
        default_factory=dict[Path, tuple[Image, Summaries, Callers]]
    )

    def of(self, path: Path) -> tuple[Image, Summaries, Callers]:
        """The image at ``path`` and what is known of its functions and of who calls them."""
        found = self._images.get(path)
        if found is None:
            image = load(path)
            summaries = Summaries(image)
            found = self._images[path] = (image, summaries, Callers(summaries))
        return found


class Job(Protocol[Answer]):
    """One function to rebuild. It is pickled, and so is what ``run`` returns."""

    @property
    def name(self) -> str:
        """The function's, for progress."""
        ...

    @property
    def address(self) -> int:
        """The function's image address."""
        ...

    def run(self, known: Known) -> Answer | Refused:
        """Do it, in the child. A ``BurnishError`` that it raises is raised in the parent as well."""
        ...


def run_jobs(
    jobs: Iterable[Job[Answer]],
    say: Callable[[str], None] = lambda text: None,
    *,
    total: int | None = None,
    limit_s: float = LIMIT_S,
    memory: int = MEMORY,
) -> list[Answer | Refused]:
    """The answers, in the order of ``jobs``. A job whose child died or went over a limit is refused, with
    ``Reason.CODE_GENERATION``. Raises ``HostError`` if no child can be started, and what a job raises on purpose.

    ``jobs`` may be made one by one while others run; then ``total`` says how many there are at most."""
    if total is None:
        jobs = list(jobs)
        total = len(jobs)
    answers: dict[int, Answer | Refused] = {}
    coming = iter(enumerate(jobs))
    more = total > 0
    waiting: deque[tuple[int, Job[Answer]]] = deque()
    busy: list[_Worker] = []
    with ExitStack() as stack:
        idle = [stack.enter_context(_worker(memory)) for _ in range(min(JOBS, total))]
        while more or busy or waiting:
            if more and len(waiting) < _MOST_WAITING:
                following = next(coming, None)
                more = following is not None
                waiting.extend([following] if following is not None else [])
            elif busy:
                select.select([worker.output for worker in busy], [], [], _POLL_S)
            for worker in tuple(busy):
                answer = worker.answer(limit_s)
                if answer is None:
                    continue
                index, job, value = answer
                answers[index] = cast("Answer | Refused", _raised(value, job))
                say(f"{job.name} ({len(answers)} of {total})")
                busy.remove(worker)
                idle.append(worker if worker.alive else stack.enter_context(_worker(memory)))
            while idle and waiting:
                busy.append(idle.pop())
                busy[-1].give(*waiting.popleft())
    return [answers[index] for index in range(len(answers))]


def _raised(value: object, job: Job[object]) -> object:
    """What a child answered; what it raised is raised here."""
    match value:
        case BurnishError():
            raise value
        case _Bug(text):
            raise RuntimeError(f"in the rebuilding of {job.name}:\n{text}")
        case _:
            return value


@dataclass(slots=True)
class _Worker:
    """A child and what it is doing."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    task: tuple[int, Job[object]] | None = None
    begun: float = 0.0
    used: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    alive: bool = True

    @property
    def output(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def give(self, index: int, job: Job[object]) -> None:
        assert self.process.stdin is not None
        self.task = index, job
        self.begun, self.used = time.monotonic(), processor_time(self.process.pid)
        data = pickle.dumps(job)
        with suppress(BrokenPipeError):  # it is gone: ``answer`` finds out why
            self.process.stdin.write(_HEADER.pack(len(data)) + data)
            self.process.stdin.flush()

    def answer(self, limit_s: float) -> tuple[int, Job[object], object] | None:
        """The job, its number and what came of it; None if it is still at it."""
        assert self.task is not None
        address = self.task[1].address
        while select.select([self.output], [], [], 0)[0]:
            part = os.read(self.output, 1 << 20)
            if not part:
                return *self.task, Refused(Reason.CODE_GENERATION, address, self._end())
            self.received += part
            if len(self.received) >= _HEADER.size:
                (size,) = _HEADER.unpack_from(self.received)
                if len(self.received) == _HEADER.size + size:
                    value = pickle.loads(bytes(self.received[_HEADER.size :]))
                    self.received.clear()
                    return *self.task, value
        spent = processor_time(self.process.pid) - self.used
        if spent <= limit_s and time.monotonic() - self.begun <= limit_s * _PATIENCE:
            return None
        self.process.kill()
        self._end()
        return *self.task, Refused(Reason.CODE_GENERATION, address, f"not done after {limit_s:g} s")

    def _end(self) -> str:
        """Waits for a child that has ended, and says how it did."""
        self.alive = False
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        how = f"ended by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        told = next((line for line in said if "LLVM ERROR" in line or line.startswith("error:")), "")
        return f"the code generator {how}{': ' if told else ''}{told[:200]}"


@contextmanager
def _worker(memory: int) -> Generator[_Worker]:
    """A child that is gone when the block ends."""
    descriptor = os.memfd_create("errors")
    process: subprocess.Popen[bytes] | None = None
    with os.fdopen(descriptor, "r+b") as errors:
        try:
            # Ctrl-C while it starts must not leave it behind.
            with interrupts_held():
                process = _start_child(errors, memory)
            yield _Worker(process, errors)
        finally:
            if process is not None:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    assert pipe is not None
                    with suppress(BrokenPipeError):  # a job that it did not read
                        pipe.close()


def _start_child(errors: IO[bytes], memory: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD, str(os.getpid()), str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
    except OSError as error:
        raise HostError(f"A process to rebuild functions in cannot be started: {error.strerror}.") from error


def serve(parent: int, memory: int) -> None:
    """The child: answers jobs until its standard input ends. It goes with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (memory if hard < 0 else min(memory, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed does not belong among the answers
    known = Known()
    Target().resolved()  # LLVM is loaded while the parent makes the first job
    while len(header := sys.stdin.buffer.read(_HEADER.size)) == _HEADER.size:
        job: Job[object] = pickle.loads(sys.stdin.buffer.read(_HEADER.unpack(header)[0]))
        data = pickle.dumps(_run(job, known))
        answers.write(_HEADER.pack(len(data)) + data)
        answers.flush()


def _run(job: Job[object], known: Known) -> object:
    try:
        return job.run(known)
    except MemoryError:
        return Refused(Reason.CODE_GENERATION, job.address, "memory is used up")
    except RecursionError:
        return Refused(Reason.CODE_GENERATION, job.address, "nested too deeply")
    except BurnishError as error:
        return error
    except Exception:
        return _Bug(traceback.format_exc())
