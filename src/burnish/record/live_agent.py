"""The process that puts probes into a live process, and takes them out again whatever happens to the recorder.

``Agent`` is the recorder's side, ``serve`` the agent's: a plain Python in a session of its own, so that neither Ctrl-C
nor the end of a terminal reaches it. It takes a pickled plan, tells when the probes are in, and ends its work when its
standard input ends, the recorder is gone, or the process is over. Should the agent be killed, the recorder puts the
original bytes back.
"""

from __future__ import annotations

import os
import pickle
import select
import shutil
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from burnish.core.errors import BurnishError, HostError
from burnish.record.attachment import Attachment, LivePlan, restore_after
from burnish.runtime import ptrace
from burnish.runtime.interrupts import interrupts_held

_CHILD = "import sys; from burnish.record.live_agent import serve; serve(int(sys.argv[1]))"
_HEADER = struct.Struct("<Q")
_WAIT_S = 0.02
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Attached:
    """The probes are in; ``threads`` have areas."""

    threads: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The probes are out. ``clean``: nothing is left of them, but where some thread is in rebuilt code still. ``over``:
    the process had ended before, with ``status`` as ``waitpid`` gives it (None where it became another program)."""

    clean: bool
    over: bool
    status: int | None


@dataclass(frozen=True, slots=True)
class _Bug:
    text: str


Answer = Attached | Finished | BurnishError | _Bug


@dataclass(slots=True)
class Agent:
    """A started agent. ``finish`` must be called."""

    plan: LivePlan
    process: subprocess.Popen[bytes]
    received: bytearray = field(default_factory=bytearray)
    result: Finished | None = None
    closed: bool = False
    left: str = ""
    """Why the original bytes could not be put back, as a sentence, where the agent was killed; else empty."""

    def wait_attached(self) -> Attached:
        """Waits until the probes are in. Raises what kept them out."""
        while True:
            match self.answer(_POLL_S):
                case None:
                    if self.closed:
                        raise HostError("The process that attaches was killed.")
                case Attached() as attached:
                    return attached
                case Finished() as finished:
                    self.result = finished
                case BurnishError() as error:
                    raise error
                case _Bug(text):
                    raise RuntimeError(f"in the agent:\n{text}")

    def answer(self, timeout_s: float) -> Answer | None:
        """What the agent says next; None after ``timeout_s``, or where it says nothing more (``closed``)."""
        assert self.process.stdout is not None
        channel = self.process.stdout.fileno()
        if not self.closed and select.select([channel], [], [], timeout_s)[0]:
            part = os.read(channel, 1 << 16)
            self.closed = not part
            self.received += part
        if len(self.received) >= _HEADER.size:
            end = _HEADER.size + _HEADER.unpack_from(self.received)[0]
            if len(self.received) >= end:
                value: Answer = pickle.loads(bytes(self.received[_HEADER.size : end]))
                del self.received[:end]
                if isinstance(value, Finished):
                    self.result = value
                return value
        return None

    def finish(self) -> Finished | None:
        """Has the probes taken out, if that is not done already. None where the agent was killed: then the recorder
        has put the original bytes back, or ``left`` says why not."""
        with interrupts_held():
            assert self.process.stdin is not None
            with suppress(BrokenPipeError):
                self.process.stdin.close()
            while self.result is None and not (self.closed and len(self.received) < _HEADER.size):
                match self.answer(_POLL_S):
                    case BurnishError() as error:
                        raise error
                    case _Bug(text):
                        raise RuntimeError(f"in the agent:\n{text}")
                    case _:
                        pass
            # Its pipe ends before the kernel lets go of what it traced; that is done when it can be waited for.
            self.process.wait()
            if self.result is None:
                self.left = restore_after(self.plan)
            assert self.process.stdout is not None
            self.process.stdout.close()
        return self.result


@contextmanager
def agent(plan: LivePlan) -> Generator[Agent]:
    """Starts an agent for ``plan``; at the end of the block its work is done. Raises ``HostError``."""
    with interrupts_held():
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CHILD, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"A process that attaches cannot be started: {error.strerror}.") from error
        assert process.stdin is not None
        data = pickle.dumps(plan)
        with suppress(BrokenPipeError):
            process.stdin.write(_HEADER.pack(len(data)) + data)
            process.stdin.flush()
    started = Agent(plan, process)
    try:
        yield started
    finally:
        if started.process.returncode is None:
            started.finish()


def serve(parent: int) -> None:
    """The agent's work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    header = sys.stdin.buffer.read(_HEADER.size)
    if len(header) < _HEADER.size or os.getppid() != parent:
        return
    plan: LivePlan = pickle.loads(sys.stdin.buffer.read(_HEADER.unpack(header)[0]))
    orders = _Orders(parent)
    with ptrace.child_signals_waited():
        try:
            answer: Answer = _work(plan, orders, answers)
        except BurnishError as error:
            answer = error
        except Exception:
            answer = _Bug(traceback.format_exc())
    _say(answers, answer)
    if orders.orphaned:
        shutil.rmtree(plan.folder, ignore_errors=True)


def _work(plan: LivePlan, orders: _Orders, answers: IO[bytes]) -> Finished:
    attachment = Attachment(plan)
    over = False
    try:
        attachment.begin()
        _say(answers, Attached(len(attachment.process.threads.by_tid)))
        while not orders.came and not attachment.is_over:
            if not attachment.process.pump():
                signal.sigtimedwait({signal.SIGCHLD}, _WAIT_S)
        over = attachment.is_over
        if orders.orphaned:
            attachment.never_wait()
    finally:
        clean = attachment.end()
    return Finished(clean, over, attachment.status)


class _Orders:
    """What tells the agent to come to an end."""

    def __init__(self, parent: int) -> None:
        self._poll = select.poll()
        self._poll.register(sys.stdin.fileno(), select.POLLIN)
        self._terminated = False
        self._parent = parent
        with suppress(OSError):  # kernels before 5.3: the end of the pipe must do
            self._poll.register(os.pidfd_open(parent), select.POLLIN)
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: object) -> None:
        del number, frame
        self._terminated = True

    @property
    def came(self) -> bool:
        return self._terminated or bool(self._poll.poll(0))

    @property
    def orphaned(self) -> bool:
        """Whether the recorder is gone."""
        return os.getppid() != self._parent


def _say(answers: IO[bytes], answer: Answer) -> None:
    data = pickle.dumps(answer)
    with suppress(BrokenPipeError):
        answers.write(_HEADER.pack(len(data)) + data)
        answers.flush()
