"""Solvers that do not stop when they are asked to give way to others, and none of them stays."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from burnish.domains.smt import build as t
from burnish.verify.solve.flat import flatten
from burnish.verify.solve.process import SolverProcess

DEAF = """
import marshal, os, sys, time
def send(*value):
    data = marshal.dumps(value)
    os.write(1, len(data).to_bytes(4, "little") + data)
open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
send(0, "ready", None)
while True:
    size = int.from_bytes(os.read(0, 4), "little")
    if size:
        request = marshal.loads(os.read(0, size))
        time.sleep(request[3] % 2 * 60)
        send(request[3], "undecided", "said")
"""
"""Answers every other request, and hears nothing while it works on the others."""


def test_a_solver_that_does_not_stop_gives_way(tmp_path: Path) -> None:
    process = SolverProcess("deaf", 1 << 30, [sys.executable, "-S", "-c", DEAF, str(tmp_path)])
    flat = flatten([t.ult(t.var("x", 8), t.var("y", 8))])
    pids: list[int | None] = []
    for _ in range(3):
        process.submit(flat, time.monotonic() + 60)
        pids.append(process.pid)
        process.wait_until_ready(time.monotonic() + 60)
        start = time.monotonic()
        process.submit(flat, time.monotonic() + 60)
        pids.append(process.pid)
        reply = None
        while reply is None:
            reply = process.receive()
        assert reply == ("undecided", "said")
        assert time.monotonic() - start < 30
    process.close()
    assert process.pid is None
    assert pids[1] == pids[2] and len(set(pids)) == 4
    started = [int(path.name) for path in tmp_path.iterdir()]
    assert set(started) >= {pid for pid in pids if pid is not None}
    assert not any(Path("/proc", str(pid)).exists() for pid in started)
