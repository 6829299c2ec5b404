"""Claim: traces of real programs are factorised in linear time and bounded memory, and come back: bzip2's block sort,
SQLite's walk over pages, and Lua's interpreter, with about 10^8 blocks each.

The programs are compiled from Debian's sources (``recorded_programs.py``) and recorded with the blocks that their hot
functions entered. Each of four lengths is read from the recording, chunk by chunk, by a process of its own, whose peak
memory the kernel tells; only factorising is timed, in processor seconds. The longest form is expanded, and compared
with the recording. The peer is Re-Pair, written plainly in Python, on the first blocks of the same traces.

    python benchmarks/factorise_traces.py [--quick] [--only NAME …] [--keep FOLDER]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from burnish.analyze.factorise import Factoriser, stream_form
from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.store import Recording, open_recording
from burnish.runtime.command import Stream
from factorise import re_pair
from harness import Figure, common, finish, parser, peak_bytes
from recorded_programs import arguments, compiled

_BYTES, _EXPONENT = 1e9, 1.1
_SIZES = {"bzip2": 2_600_000, "sqlite": 82_000, "lua": 650}
"""What makes a program enter about 10^8 blocks."""
_WHAT = (What.EDGES, What.BLOCKS)


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the first ``events`` blocks of a trace. ``peak`` is in bytes, of the whole process, before the form
    is expanded."""

    name: str
    events: int
    seconds: float
    peak: int
    length: int
    rules: int


def chunks(recording: Recording, events: int) -> Iterator[NDArray[np.uint32]]:
    """The first blocks of all threads, one after the other; a gap is a symbol of its own."""
    gap = recording.blocks.num_rows
    for process, thread in recording.traced_threads():
        for chunk in recording.trace_chunks(process, thread):
            if events <= 0:
                return
            yield np.minimum(chunk[:events], gap).astype(np.uint32)
            events -= len(chunk)


def child(path: Path, events: int, check: bool) -> int:
    """Factorise in this process and print what it took. 1 where the trace does not come back."""
    recording = open_recording(path)
    factoriser = Factoriser(recording.blocks.num_rows + 1)
    seconds = 0.0
    for chunk in chunks(recording, events):
        began = time.process_time()
        factoriser.feed(chunk)
        seconds += time.process_time() - began
    began = time.process_time()
    form = factoriser.finish()
    seconds += time.process_time() - began
    peak = peak_bytes()
    if check and not _same(form.expand_chunks(), chunks(recording, events)):
        return 1
    print(json.dumps([form.events(), seconds, peak, form.length(), form.rules]))
    return 0


def _same(made: Iterator[NDArray[np.uint32]], expected: Iterator[NDArray[np.uint32]]) -> bool:
    """Whether pieces are of one string, wherever it is cut."""
    left = np.empty(0, np.uint32)
    for piece in expected:
        while len(left) < len(piece):
            more = next(made, None)
            if more is None:
                return False
            left = np.concatenate([left, more])
        if not np.array_equal(left[: len(piece)], piece):
            return False
        left = left[len(piece) :]
    return not len(left) and next(made, None) is None


def run(name: str, path: Path, events: int, check: bool) -> Run:
    """``child`` in a process of its own. Raises ``CalledProcessError`` where the trace does not come back."""
    words = [sys.executable, __file__, "--child", str(path), str(events), *["--check"] * check]
    done = subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return Run(name, *json.loads(done.stdout))


def peer(path: Path, events: int) -> tuple[float, float, int, int]:
    """Seconds per event of Re-Pair and ours, and symbols of both results."""
    recording = open_recording(path)
    string = np.concatenate(list(islice(chunks(recording, events), events)))
    alphabet = recording.blocks.num_rows + 1
    began = time.process_time()
    rest, rules = re_pair(string.tolist(), alphabet)
    theirs = time.process_time() - began
    began = time.process_time()
    form = stream_form([string], alphabet)
    ours = time.process_time() - began
    size = len(form.sequence) + len(form.symbols) + form.rules
    return theirs / len(string), ours / len(string), len(rest) + 2 * len(rules), size


def figure(runs: list[Run], compared: tuple[float, float, int, int]) -> Figure:
    """The row of a program."""
    last = runs[-1]
    logs = np.log([[r.events, max(r.seconds, 1e-6)] for r in runs])
    exponent = float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
    theirs, ours, their_size, our_size = compared
    return Figure(
        f"{last.name}: {last.events:,} blocks of a recording",
        f"{last.seconds:.2f} s, {last.peak / 1e6:.0f} MB, time ∝ n^{exponent:.2f}; "
        f"length {last.length:,}, {last.rules:,} rules; comes back",
        "≤ 1 GB, linear",
        f"Re-Pair in Python: {1e9 * theirs:,.0f} ns an event, ours {1e9 * ours:.0f}; "
        f"{their_size:,} symbols, ours {our_size:,}",
        last.peak <= _BYTES and exponent <= _EXPONENT,
    )


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--child", nargs=2, metavar=("RECORDING", "EVENTS"), help="one run, here")
    options_of.add_argument("--check", action="store_true", help="of --child: expand it, too")
    options_of.add_argument("--only", nargs="+", choices=_SIZES, default=list(_SIZES), metavar="NAME")
    options_of.add_argument("--keep", type=Path, help="a folder for the recordings, which are not made again")
    given: Namespace = options_of.parse_args()
    options = common(given)
    if given.child:
        return child(Path(given.child[0]), int(given.child[1]), given.check)
    figures: list[Figure] = []
    rows: list[Run] = []
    with TemporaryDirectory(prefix="burnish-") as temporary:
        folder = given.keep or Path(temporary)
        for name in given.only:
            path = folder / f"{name}.burnish"
            if not path.exists():
                program = compiled(name, folder)
                if isinstance(program, str):
                    print(program, file=sys.stderr)
                    return 2
                size = _SIZES[name] // (20 if options.quick else 1)
                words = arguments(name, size)
                record(RecordOptions(str(program), words, path, _WHAT, stdout=Stream.DISCARD))
            most = open_recording(path).events
            runs = [run(name, path, most // part, check=part == 1) for part in (8, 4, 2, 1)]
            rows += runs
            figures.append(figure(runs, peer(path, 20_000 if options.quick else 200_000)))
            print(figures[-1].claim, figures[-1].measured, flush=True)
    return finish("factorise_traces", options, figures, rows)


if __name__ == "__main__":
    sys.exit(main())
