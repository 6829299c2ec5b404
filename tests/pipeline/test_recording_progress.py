"""A terminal is told how far a recording is; nobody else is."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

TEXT = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline, noclone)) long stir(long x) {
    for (int i = 0; i < 1000; i++) x = x * 31 + i % 7;
    return x;
}
int main(int argc, char **argv) {
    long x = 1;
    for (long i = 0; i < atol(argv[1]); i++) x = stir(x);
    printf("%ld\\n", x);
    return argc - 2;
}
"""


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("stirs", TEXT)


def on_terminal(words: list[str], folder: Path) -> tuple[int, bytes, str]:
    """Exit code, standard output, and what a terminal on standard error saw."""
    leader, follower = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(leader, 4096):
                seen.append(data)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "burnish", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=follower,
            cwd=folder,
            env=os.environ | {"COLUMNS": "150"},
            check=False,
        )
    finally:
        os.close(follower)
        reader.join()
        os.close(leader)
    return done.returncode, done.stdout, b"".join(seen).decode()


def test_counts_and_cost_so_far(program: Path, tmp_path: Path) -> None:
    """Without names the run is sampled first, so that its native time is known."""
    rounds = "700000"  # about a second
    code, out, seen = on_terminal(["record", "-o", "r", "--", str(program), rounds], tmp_path)
    assert code == 0
    assert out == subprocess.run([program, rounds], stdout=subprocess.PIPE, check=True).stdout
    told = re.findall(r"Recording: ([\d,]+) counts \([\d.]+ M/s\); processor ([\d.]+) s", seen)
    assert told, seen
    counts = [int(count.replace(",", "")) for count, _ in told]
    times = [float(seconds) for _, seconds in told]
    assert counts == sorted(counts)
    assert times == sorted(times)
    assert counts[-1] > 1_000_000
    assert re.search(r"native run [\d.]+ s|at least [\d.]+× native", seen)
    assert "× the processor time" in seen.rpartition("Recording:")[2]
    # The line goes before the summary comes.
    assert seen.index("Sampling") < seen.index("Recording") < seen.index("burnish: r: ")


def test_records_and_their_size(program: Path, tmp_path: Path) -> None:
    words = ["record", "-o", "r", "-f", "stir", "--what", "blocks", "--timeout", "1.5", "--"]
    code, _, seen = on_terminal([*words, str(program), "1000000000"], tmp_path)
    assert code == 0
    told = re.findall(r"Recording: ([\d,]+) records \([\d.]+ M/s\), [\d.]+ MB; processor [\d.]+ s", seen)
    assert told, seen
    assert "native" not in seen


def test_a_pipe_sees_the_summary_alone(program: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "burnish", "record", "-f", "stir", "--", program, "10000"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert all(line.startswith("burnish: ") for line in done.stderr.splitlines())
    assert "Recording:" not in done.stderr
