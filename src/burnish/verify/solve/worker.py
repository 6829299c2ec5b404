"""A solver's own process: ``python -m burnish.verify.solve.worker NAME MEMORY_BYTES``.

Requests come on standard input, replies go to standard output, each as a length of four bytes and a marshalled value.
A request is ``(nodes, roots, deadline, number)``, the deadline by the monotonic clock; replies begin with ``number``.
An empty request that comes while the solver works stops it, and is ignored otherwise. The first thing sent is
``(0, "ready", None)`` or ``(0, "missing", what)``. The end of the input ends the process.
"""

from __future__ import annotations

import marshal
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from burnish.verify.solve.backend import Package, Reply, UnsupportedError, ask
from burnish.verify.solve.flat import Flat

GRACE_SECONDS = 2.0
"""How long after its time a solver that does not come back is ended by its own clock, whatever became of the parent."""


def _read(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(descriptor: int, number: int, reply: Reply) -> None:
    plain: Any = (number, *reply)
    data = marshal.dumps(plain)
    left = memoryview(len(data).to_bytes(4, "little") + data)
    while left:
        left = left[os.write(descriptor, left) :]


def _mapped_bytes() -> int:
    """What the process has mapped already: libraries, mostly."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    return pages * resource.getpagesize()


def _package(name: str, memory_bytes: int, cancel: int) -> Package:
    if name == "bitwuzla":
        from burnish.verify.solve.bitwuzla_backend import Bitwuzla

        return Bitwuzla(memory_bytes, cancel)
    from burnish.verify.solve.z3_backend import Z3

    return Z3(memory_bytes, cancel)


def _answer(package: Package, flat: Flat, deadline: float) -> tuple[Reply, bool]:
    """The reply, and whether the process is fit for another query."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        return ("undecided", "out of time"), True
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_SECONDS)
    try:
        reply = ask(package.load(flat), flat, seconds)
        # A solver that says so itself does not give back what it has.
        return reply, not (reply[0] == "undecided" and "memory" in str(reply[1]))
    except UnsupportedError as error:
        return ("undecided", str(error)), True
    except MemoryError:
        return ("undecided", "out of memory"), False
    except Exception as error:
        reason = (
            "out of memory" if "memory" in str(error) or "bad_alloc" in str(error) else f"failed: {error}"
        )
        return ("undecided", reason), False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main(name: str, memory_bytes: int) -> None:
    """Serves until the input ends."""
    # What a solver prints must not get between the replies.
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    # Control-C goes to the whole group: the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        package = _package(name, memory_bytes, 0)
    except ImportError as error:
        _write(out, 0, ("missing", str(error)))
        return
    limit = _mapped_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    _write(out, 0, ("ready", None))
    fit = True
    while fit:
        package.prepare()
        size = int.from_bytes(_read(0, 4), "little")
        if size:
            nodes, roots, deadline, number = marshal.loads(_read(0, size))
            reply, fit = _answer(package, Flat(nodes, roots), deadline)
            _write(out, number, reply)


if __name__ == "__main__":
    with suppress(EOFError, BrokenPipeError):
        main(sys.argv[1], int(sys.argv[2]))
    # A solver's own clean-up can take long, and has nothing to save.
    os._exit(0)
