"""Progress goes to a terminal and to nothing else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = """
from burnish.report.progress import progress
with progress() as say:
    say("Sampling")
    say("Rebuilding: first \\x1b[31m")
    say("Rebuilding: too soon to be shown")
print("result")
"""


def test_a_terminal_sees_it_and_then_it_is_gone() -> None:
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=follower, check=True
        )
        seen = os.read(leader, 10_000).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert done.stdout == b"result\n"
    assert "Sampling" in seen
    assert "first \\x1b[31m" in seen
    assert "too soon" not in seen
    assert seen.endswith("\r\x1b[K")


def test_a_pipe_sees_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"result\n", b"")
