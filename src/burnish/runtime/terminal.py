"""The terminal that a command shares with us: lent to it while it runs, as a shell does.

The command is a process group of its own in our session, and the foreground one: Ctrl-C, Ctrl-\\ and Ctrl-Z go to it
and not to us, it may read, and ``/dev/tty`` is there (tty_ioctl(4), credentials(7)). When it is stopped we stop as
well, and when we are continued so is it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terminal:
    """The terminal in whose foreground we are."""

    descriptor: int

    def lend(self, group: int) -> None:
        """Put ``group`` in the foreground; a process of it that could not wait goes on."""
        self._put(group)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGCONT)

    def attend(self, group: int) -> None:
        """Stop if the leader of ``group``, our child, has been stopped; and put it in the foreground again when we
        have been put there."""
        with suppress(ChildProcessError):
            if os.waitid(os.P_PID, group, os.WSTOPPED | os.WNOHANG) is not None:
                self.take_back(group)
                os.killpg(os.getpgrp(), signal.SIGTSTP)
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGCONT)
        if self._foreground() == os.getpgrp():
            self.lend(group)

    def take_back(self, group: int) -> None:
        """Be the foreground again, unless somebody else has become it."""
        foreground = self._foreground()
        if foreground == group or not _exists(foreground):
            self._put(os.getpgrp())

    def _foreground(self) -> int:
        try:
            return os.tcgetpgrp(self.descriptor)
        except OSError:  # the terminal is gone
            return os.getpgrp()

    def _put(self, group: int) -> None:
        # Who is not in the foreground and calls this is stopped, unless he blocks the signal.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with suppress(OSError):
                os.tcsetpgrp(self.descriptor, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def our_terminal() -> Generator[Terminal | None]:
    """The terminal in whose foreground we are, None if there is none."""
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield Terminal(descriptor) if os.tcgetpgrp(descriptor) == os.getpgrp() else None
    finally:
        os.close(descriptor)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
