"""Runs a target command: starts it, waits for it, ends its whole tree when it must end, and says what it
cost.

Every command leads a session of its own, so that Ctrl-C at the terminal reaches Burnish and not the target,
and so that one signal ends all of the command's processes.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from pathlib import Path
from typing import IO

from burnish.core.errors import HostError, TargetError
from burnish.runtime.interrupts import interrupts_held
from burnish.runtime.process_tree import descendants, own_peak, send_all

GRACE_S = 0.5
"""How long a command may clean up after SIGTERM before SIGKILL."""
_ATTENTION_S = 0.25
"""A signal that arrives just before a system call begins does not end it, and Python handles it only afterwards:
so no wait is longer than this."""


class Stream(Enum):
    """What a standard stream is joined to when it is no file."""

    INHERIT = "inherit"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments and surroundings: all that is needed to run it again.

    ``executable`` is the file to run where that is not what ``argv[0]`` names: so a patched program runs
    under the name of the original, and its messages are the same. ``env`` None means the environment of this
    process. ``stdin`` as a path is opened anew for each run.
    """

    argv: tuple[str, ...]
    executable: Path | None = None
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    stdin: Path | Stream = Stream.INHERIT

    def __str__(self) -> str:
        return " ".join(self.argv)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How one run ended and what it cost. Times are in seconds; user and system time include the children
    that the command waited for. ``max_rss`` is the largest resident size of one process in bytes, or None
    where Linux hides it: it is counted from before the program was loaded, so that no value below our own
    size is seen."""

    argv: tuple[str, ...]
    exit_code: int | None
    signal: int | None
    wall_s: float
    user_s: float
    system_s: float
    max_rss: int | None
    timed_out: bool = False
    interrupted: bool = False

    @property
    def cpu_s(self) -> float:
        """User plus system time in seconds."""
        return self.user_s + self.system_s

    @property
    def succeeded(self) -> bool:
        """True if the command ended by itself with exit code 0."""
        return self.exit_code == 0 and not self.timed_out and not self.interrupted

    @property
    def outcome(self) -> str:
        """How the run ended, as the predicate of a sentence."""
        if self.timed_out:
            return f"did not end within the time limit and was stopped after {self.wall_s:.1f} s"
        if self.interrupted:
            return "was interrupted"
        if self.signal is not None:
            return f"was killed by {signal_name(self.signal)}"
        return f"ended with exit code {self.exit_code}"


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11; ``signal 40`` for those without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def find_executable(command: Command) -> Path:
    """The file that running the command executes, as an absolute path.

    Raises ``TargetError`` if there is none, or it is a directory or not executable.
    """
    cwd = command.cwd or Path.cwd()
    if not cwd.is_dir():
        raise TargetError(f"The working directory {cwd} does not exist.")
    if not command.argv or not (command.executable or command.argv[0]):
        raise TargetError("No command to run was given.")
    name = str(command.executable or command.argv[0])
    if "/" not in name and command.executable is None:
        search = (os.environ if command.env is None else command.env).get("PATH", os.defpath)
        found = shutil.which(name, path=search)
        if found is None:
            raise TargetError(f"The command {name} was not found; check the spelling or give its path.")
        return cwd / found
    path = cwd / name
    try:
        is_directory = path.is_dir()
        exists = path.exists()
    except OSError as error:
        raise TargetError(f"The command {name} cannot be run: {error.strerror}.") from error
    if is_directory:
        raise TargetError(f"The command {name} is a directory.")
    if not exists:
        raise TargetError(f"The command {name} does not exist.")
    if not os.access(path, os.X_OK):
        raise TargetError(f"The command {name} is not executable; chmod +x makes it so.")
    return path


@dataclass(slots=True)
class Child:
    """A started command, not yet reaped. Ends with exactly one call of ``finish``."""

    command: Command
    process: subprocess.Popen[bytes]
    started: float
    overhead: tuple[float, float] = (0.0, 0.0)
    """User and system seconds that the process spent before it became the command."""
    timed_out: bool = field(default=False, init=False)
    interrupted: bool = field(default=False, init=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, timeout_s: float | None) -> bool:
        """Waits until the command has ended; False if it has not within ``timeout_s``. Does not reap it."""
        deadline = inf if timeout_s is None else time.monotonic() + timeout_s
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:  # kernels before 5.3, and some sandboxes
            return self._poll(deadline)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while (left := deadline - time.monotonic()) > 0:
                # poll() rounds down.
                if poll.poll(min(left, _ATTENTION_S) * 1000 + 1):
                    return True
            return False
        finally:
            os.close(descriptor)

    def _poll(self, deadline: float) -> bool:
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return True
            time.sleep(0.001)
        return False

    def stop(self) -> None:
        """Ends the whole tree: SIGTERM, a moment to clean up, SIGKILL."""
        tree = descendants(self.pid)
        try:
            send_all(self.pid, tree, signal.SIGTERM)
            self.wait(GRACE_S)
        finally:  # also at a second Ctrl-C
            send_all(self.pid, tree | descendants(self.pid), signal.SIGKILL)
        self.wait(None)

    def finish(self) -> CommandResult:
        """Ends what the command left running in its session's first process group, reaps it, and says what it
        cost. The command must have ended."""
        wall = time.perf_counter() - self.started
        # The leader is still a zombie, so its number cannot yet belong to another group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        size = usage.ru_maxrss * 1024
        return CommandResult(
            argv=self.command.argv,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            wall_s=wall,
            user_s=max(0.0, usage.ru_utime - self.overhead[0]),
            system_s=max(0.0, usage.ru_stime - self.overhead[1]),
            max_rss=size if size > own_peak() else None,
            timed_out=self.timed_out,
            interrupted=self.interrupted,
        )


def run_command(
    command: Command,
    *,
    stdout: Path | Stream = Stream.INHERIT,
    stderr: Path | Stream = Stream.INHERIT,
    timeout_s: float | None = None,
) -> CommandResult:
    """Runs a command to its end. A path for ``stdout`` or ``stderr`` names a file that is written anew.

    After ``timeout_s`` the whole tree is ended and the result says ``timed_out``. What the command leaves
    running in its process group when it ends is ended too; a daemon that made a session of its own is not.
    Raises ``TargetError`` if the command cannot be started, ``HostError`` if a file cannot be written.
    Ctrl-C ends the tree and raises ``KeyboardInterrupt``.
    """
    child: Child | None = None
    try:
        with interrupts_held():
            child = start(command, stdout=stdout, stderr=stderr)
        if not child.wait(timeout_s):
            child.timed_out = True
            child.stop()
    except BaseException:
        if child is not None:
            child.stop()
            child.finish()
        raise
    return child.finish()


def start(
    command: Command,
    *,
    stdout: Path | Stream = Stream.INHERIT,
    stderr: Path | Stream = Stream.INHERIT,
    before_exec: Callable[[int], None] | None = None,
    own_session: bool = True,
) -> Child:
    """Starts a command. ``before_exec`` is called with the process number while the process is held just before it
    becomes the command; it costs about 15 ms more. Without ``own_session`` it leads a group of our session."""
    executable = find_executable(command)
    with ExitStack() as stack:
        streams = (
            _open(stack, command.stdin, os.O_RDONLY),
            _open(stack, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            _open(stack, stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        )
        try:
            if before_exec is not None:
                return _start_held(command, executable, streams, before_exec, own_session)
            return _spawn(
                command,
                command.argv,
                streams,
                executable=executable,
                env=command.env,
                own_session=own_session,
            )
        except OSError as error:
            raise _cannot_run(command, executable, error.errno or 0) from error
        except ValueError as error:
            raise TargetError(f"The command {command.argv[0]!r} cannot be run: {error}.") from error


def _spawn(
    command: Command,
    argv: Sequence[str],
    streams: tuple[IO[bytes] | int | None, ...],
    *,
    executable: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
    own_session: bool = True,
) -> Child:
    """Starts ``argv`` in the surroundings of ``command``. Ctrl-C leaves no process behind."""
    child: Child | None = None
    try:
        with interrupts_held():
            begun = time.perf_counter()
            process = subprocess.Popen(
                argv,
                executable=executable,
                cwd=command.cwd,
                env=env,
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
                start_new_session=own_session,
                process_group=None if own_session else 0,
                pass_fds=pass_fds,
            )
            child = Child(command, process, begun)
    except BaseException:
        if child is not None:
            child.stop()
            child.finish()
        raise
    return child


_LAUNCHER = """
import os, resource, signal, struct, sys
channel = int(sys.argv[1])
parts = []
while part := os.read(channel, 1 << 16):
    parts.append(part)
path, count, *rest = b"".join(parts).split(b"\\0")
argv, env = rest[: int(count)], dict(item.split(b"=", 1) for item in rest[int(count) :])
os.set_inheritable(channel, False)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
usage = resource.getrusage(resource.RUSAGE_SELF)
os.write(channel, struct.pack("dd", usage.ru_utime, usage.ru_stime))
try:
    os.execve(path, argv, env)
except OSError as error:
    os.write(channel, struct.pack("i", error.errno))
os._exit(127)
"""


def _start_held(
    command: Command,
    executable: Path,
    streams: tuple[IO[bytes] | int | None, ...],
    before_exec: Callable[[int], None],
    own_session: bool,
) -> Child:
    """A small Python waits for its orders on a socket and then becomes the command. ``preexec_fn`` would do
    the same in a fork of this process, which is unsafe where other threads hold locks."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(theirs.fileno())]
            child = _spawn(command, launcher, streams, pass_fds=(theirs.fileno(),), own_session=own_session)
        try:
            before_exec(child.pid)
            environment = os.environ if command.env is None else command.env
            items = [executable, str(len(command.argv)), *command.argv]
            items += [f"{key}={value}" for key, value in environment.items()]
            ours.sendall(b"\0".join(os.fsencode(item) for item in items))
            ours.shutdown(socket.SHUT_WR)
            child.started = time.perf_counter()
            answer = b"".join(iter(lambda: ours.recv(64), b""))
        except BaseException:
            child.stop()
            child.finish()
            raise
    if len(answer) != 16:
        child.wait(None)
        child.finish()
        number = struct.unpack("i", answer[16:])[0] if len(answer) == 20 else errno.ECHILD
        raise _cannot_run(command, executable, number)
    user, system = struct.unpack("dd", answer)
    child.overhead = (user, system)
    return child


def _open(stack: ExitStack, stream: Path | Stream, flags: int) -> IO[bytes] | int | None:
    match stream:
        case Stream.INHERIT:
            return None
        case Stream.DISCARD:
            return subprocess.DEVNULL
        case Path():
            reading = flags == os.O_RDONLY
            try:
                descriptor = os.open(stream, flags | os.O_CLOEXEC, 0o666)
                return stack.enter_context(os.fdopen(descriptor, "rb" if reading else "wb"))
            except OSError as error:
                verb, kind = ("read as standard input", TargetError) if reading else ("written", HostError)
                raise kind(f"{stream} cannot be {verb}: {error.strerror}.") from error


def _cannot_run(command: Command, executable: Path, number: int) -> TargetError:
    name = command.argv[0]
    match number:
        case errno.ENOEXEC:
            return TargetError(f"{executable} is not a program that this machine can run.")
        case errno.ENOENT:
            return TargetError(f"The command {name} cannot be run: its interpreter or loader does not exist.")
        case _:
            return TargetError(f"The command {name} cannot be run: {os.strerror(number)}.")
