"""The parent's end of a solver's process: started when first needed, replaced when it dies."""

from __future__ import annotations

import marshal
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from burnish.core.errors import HostError
from burnish.verify.solve.backend import Reply
from burnish.verify.solve.flat import Flat

GRACE_SECONDS = 1.0
"""How long a solver may take to notice that it is not wanted before it is killed. Starting another takes as long on a
busy machine."""
_PROMPT_SECONDS = 0.1
"""After that another is started, which takes its place as soon as it is ready."""


class SolverProcess:
    """One solver in a child process, for one query at a time.

    ``name`` is ``bitwuzla`` or ``z3``; ``command`` runs another program that speaks the worker's protocol.
    """

    def __init__(self, name: str, memory_bytes: int, command: Sequence[str] | None = None) -> None:
        self.name = name
        worker = [sys.executable, "-P", "-m", "burnish.verify.solve.worker", name, str(memory_bytes)]
        self._command = [*command] if command else worker
        self._process: subprocess.Popen[bytes] | None = None
        self._spare: subprocess.Popen[bytes] | None = None
        self._was_late = False
        self._received = bytearray()
        self._greeted = False
        self._number = 0
        self._cancelled_at: float | None = None
        self.busy = False

    @property
    def pid(self) -> int | None:
        """The child's process number; None while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the child, unless it runs. Does not wait for it. Raises ``HostError`` if the host refuses."""
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()
        self._process, self._spare = self._spare, None
        if self._process is None or self._process.poll() is not None:
            _end(self._process)
            self._process = self._launched()

    def _launched(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            raise HostError(f"A process for {self.name} cannot be started: {error.strerror}.") from error

    def submit(self, flat: Flat, deadline: float) -> None:
        """Sends a query to be answered by the deadline (``time.monotonic``: one clock for all), and starts a child if
        need be. What the child was doing is given up.

        Raises ``BrokenPipeError`` if the child dies over it."""
        self._settle()
        self.start()
        assert self._process is not None and self._process.stdin is not None
        self.busy = True
        self._cancelled_at = None
        self._number += 1
        data = marshal.dumps((flat.nodes, flat.roots, float(deadline), self._number))
        descriptor = self._process.stdin.fileno()
        left = memoryview(len(data).to_bytes(4, "little") + data)
        while left:
            left = left[os.write(descriptor, left) :]
        if self._was_late:
            self._prepare_spare()

    def wait_until_ready(self, deadline: float) -> None:
        """Waits until the child has loaded its solver, or until the deadline (``time.monotonic``), or its end. Raises
        ``HostError`` as ``receive``."""
        self._settle()
        self.start()
        while not self._greeted and (left := deadline - time.monotonic()) > 0:
            try:
                if select.select([self], [], [], left)[0]:
                    self.receive()
            except EOFError:
                return

    def fileno(self) -> int:
        """The descriptor to wait on for a reply."""
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.fileno()

    def receive(self) -> Reply | None:
        """What has come, None if it is not all there. To be called when ``fileno`` can be read.

        Raises ``EOFError`` if the child has died, ``HostError`` if its solver is not installed."""
        part = os.read(self.fileno(), 1 << 20)
        if not part:
            raise EOFError(self._ending())
        self._received += part
        while (taken := self._take()) is not None:
            number, reply = taken
            if number != (self._number if self._greeted else 0):
                # An answer to another question must not pass for one to this.
                raise EOFError(f"{self.name} answered out of turn")
            if self._greeted:
                self.busy = False
                return reply
            if reply[0] == "missing":
                raise HostError(missing(self.name))
            self._greeted = True
        return None

    def _take(self) -> tuple[int, Reply] | None:
        if len(self._received) < 4:
            return None
        end = 4 + int.from_bytes(self._received[:4], "little")
        if len(self._received) < end:
            return None
        number, kind, content = marshal.loads(bytes(self._received[4:end]))
        del self._received[:end]
        return number, (kind, content)

    def _ending(self) -> str:
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        code = self._process.returncode
        return (
            f"{self.name} ended by signal {-code}" if code is not None and code < 0 else f"{self.name} ended"
        )

    def cancel(self) -> None:
        """Asks a busy child to stop; its reply still comes."""
        if self.busy and self._cancelled_at is None and self._process and self._process.stdin:
            self._cancelled_at = time.monotonic()
            with suppress(OSError):
                os.write(self._process.stdin.fileno(), bytes(4))

    def _settle(self) -> None:
        """Waits for the reply to a query that was cancelled, or for a spare child that can take the next: a child that
        has no reply before that is ended."""
        self.cancel()
        while self.busy:
            assert self._cancelled_at is not None
            waited = time.monotonic() - self._cancelled_at
            late = waited >= _PROMPT_SECONDS
            if late:
                self._was_late = True
                self._prepare_spare()
            both = [self, *([self._spare.stdout] if late and self._spare and self._spare.stdout else [])]
            left = (GRACE_SECONDS if late else _PROMPT_SECONDS) - waited
            ready = select.select(both, [], [], max(0.0, left))[0]
            try:
                if self in ready:
                    self.receive()
                elif ready or left <= 0:
                    self.kill()
            except EOFError:
                self.kill()

    def _prepare_spare(self) -> None:
        if self._spare is None:
            with suppress(HostError):
                self._spare = self._launched()

    def kill(self) -> None:
        """Ends the child at once. Another is started when it is needed."""
        process, self._process = self._process, None
        self._received.clear()
        self._greeted = self.busy = False
        _end(process)

    def close(self) -> None:
        """Ends all children at once. Others are started when they are needed."""
        self.kill()
        spare, self._spare = self._spare, None
        _end(spare)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def missing(name: str) -> str:
    """The sentence for a solver that is not installed."""
    package = {"bitwuzla": "bitwuzla", "z3": "z3-solver"}.get(name, name)
    return f"The solver {name} is not installed: `pip install {package}` adds it."
