"""Claims: any string comes back from its form; the streaming form is at most 1.1 times as long as the exact one on
average; 10^8 events take at most 2 s and 1 GB, and time is linear.

Short strings: uniform ones over two to four letters, and nested loops with noise, at most 40 events long. Long ones: a
regular nest of loops, and one where 1 % of the events, at random, is one of eight rare blocks; each is made and fed in
pieces by a process of its own, whose peak memory the kernel tells. Only factorising is timed. The peer is Re-Pair
(Larsson, Moffat, 2000) written plainly in Python, on less of the same strings: seconds per event are compared.

    python benchmarks/factorise.py [--quick]
"""

from __future__ import annotations

import heapq
import json
import random
import subprocess
import sys
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from burnish.analyze.factorise import Factoriser, exact_form, stream_form
from burnish.report.tables import Column, print_table
from harness import Figure, common, finish, parser, peak_bytes

_RATIO, _SECONDS, _BYTES, _EXPONENT = 1.1, 2.0, 1e9, 1.1
_ALPHABET = 17
_PIECE = 1 << 20
_KINDS = {"regular": 0.0, "1 % rare": 0.01}


@dataclass(frozen=True, slots=True)
class Long:
    """One run over a long string. ``peak`` is in bytes, of the whole process, before the form is expanded."""

    kind: str
    events: int
    seconds: float
    peak: int
    length: int
    rules: int


@dataclass(frozen=True, slots=True)
class Short:
    """A kind of short strings: mean length of exact and of streaming forms, mean of their ratios, and how many strings
    did not come back."""

    kind: str
    strings: int
    exact: float
    stream: float
    ratio: float
    wrong: int


def pieces(kind: str, events: int, seed: int) -> Iterator[NDArray[np.uint32]]:
    """The string of so many events: three loops in each other, of 100 rounds each inside."""
    row = [2, *[3, 4, 5, 6] * 100, 7]
    nest = np.array([0, *row * 100, 8], np.uint32)
    generator = np.random.default_rng(seed)
    for begin in range(0, events, _PIECE):
        size = min(_PIECE, events - begin)
        piece = np.resize(np.roll(nest, -(begin % len(nest))), size)
        rare = np.flatnonzero(generator.random(size, np.float32) < _KINDS[kind])
        piece[rare] = generator.integers(9, _ALPHABET, len(rare))
        yield piece


def child(kind: str, events: int, seed: int, check: bool) -> int:
    """Factorise in this process and print what it took. 1 where the string does not come back."""
    factoriser = Factoriser(_ALPHABET)
    seconds = 0.0
    for piece in pieces(kind, events, seed):
        began = time.perf_counter()
        factoriser.feed(piece)
        seconds += time.perf_counter() - began
    began = time.perf_counter()
    form = factoriser.finish()
    seconds += time.perf_counter() - began
    peak = peak_bytes()
    if check:
        expanded = form.expand_chunks(_PIECE)
        for piece in pieces(kind, events, seed):
            if not np.array_equal(next(expanded), piece):
                return 1
        if next(expanded, None) is not None:
            return 1
    print(json.dumps([seconds, peak, form.length(), form.rules]))
    return 0


def long_run(kind: str, events: int, seed: int, check: bool) -> Long:
    """``child`` in a process of its own. Raises ``CalledProcessError`` where the string does not come back."""
    words = [sys.executable, __file__, "--child", kind, str(events), "--seed", str(seed)]
    done = subprocess.run(
        words + ["--check"] * check, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    seconds, peak, length, rules = json.loads(done.stdout)
    return Long(kind, events, seconds, peak, length, rules)


def nested(source: random.Random, depth: int) -> list[int]:
    """Loops in each other over four letters."""
    if not depth:
        return [source.randrange(4) for _ in range(source.randint(1, 3))]
    made: list[int] = []
    for _ in range(source.randint(1, 2)):
        made += nested(source, depth - 1) * source.randint(1, 4)
    return made


def short_string(kind: str, source: random.Random) -> list[int]:
    """A string of at most 40 events over four letters; each event of noisy loops is another with 2 %."""
    if kind.startswith("uniform"):
        letters = int(kind.split()[1])
        return [source.randrange(letters) for _ in range(source.randint(1, 40))]
    string = nested(source, source.randint(1, 3))[:40]
    return [source.randrange(4) if source.random() < 0.02 else event for event in string]


def short_runs(kind: str, strings: int, seed: int) -> Short:
    """Both forms of so many strings."""
    source = random.Random(f"{kind} {seed}")
    exact: list[int] = []
    stream: list[int] = []
    wrong = 0
    for _ in range(strings):
        string = np.array(short_string(kind, source), np.uint32)
        one, other = exact_form(string, 4), stream_form([string], 4)
        wrong += not (np.array_equal(one.expand(), string) and np.array_equal(other.expand(), string))
        exact.append(one.length())
        stream.append(other.length())
    ratio = fmean(b / a for a, b in zip(exact, stream, strict=True))
    return Short(kind, strings, fmean(exact), fmean(stream), ratio, wrong)


def re_pair(string: list[int], alphabet: int) -> tuple[list[int], list[tuple[int, int]]]:
    """What is left of ``string``, and the pairs that symbols ``alphabet``, ``alphabet`` + 1 and so on stand for."""
    size = len(string)
    symbols, after, before = list(string), list(range(1, size + 1)), list(range(-1, size - 1))
    places: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for at in range(size - 1):
        places[string[at], string[at + 1]].add(at)
    heap = [(-len(where), pair) for pair, where in places.items()]
    heapq.heapify(heap)
    rules: list[tuple[int, int]] = []
    while heap:
        count, pair = heapq.heappop(heap)
        if len(places[pair]) != -count or count > -2:
            continue
        new = alphabet + len(rules)
        rules.append(pair)
        changed: set[tuple[int, int]] = set()
        for at in sorted(places.pop(pair)):
            right = after[at]
            if symbols[at] != pair[0] or right == size or symbols[right] != pair[1]:
                continue
            left, beyond = before[at], after[right]
            if left >= 0:
                places[symbols[left], pair[0]].discard(left)
                places[symbols[left], new].add(left)
                changed |= {(symbols[left], pair[0]), (symbols[left], new)}
            if beyond < size:
                places[pair[1], symbols[beyond]].discard(right)
                places[new, symbols[beyond]].add(at)
                changed |= {(pair[1], symbols[beyond]), (new, symbols[beyond])}
                before[beyond] = at
            symbols[at], symbols[right], after[at] = new, -1, beyond
        for each in changed:
            if len(places[each]) > 1:
                heapq.heappush(heap, (-len(places[each]), each))
    return [symbol for symbol in symbols if symbol >= 0], rules


def peer(kind: str, events: int, seed: int) -> tuple[float, float, int, int]:
    """Seconds per event of Re-Pair and ours, and symbols of both results. Raises ``RuntimeError`` where the string does
    not come back from Re-Pair."""
    string = np.concatenate(list(pieces(kind, events, seed)))
    began = time.perf_counter()
    rest, rules = re_pair(string.tolist(), _ALPHABET)
    theirs = time.perf_counter() - began
    written = [[symbol] for symbol in range(_ALPHABET)]
    for one, other in rules:
        written.append(written[one] + written[other])
    if [event for symbol in rest for event in written[symbol]] != string.tolist():
        raise RuntimeError("Re-Pair does not give the string back")
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        form = stream_form([string], _ALPHABET)
        times.append(time.perf_counter() - began)
    ours = len(form.sequence) + len(form.symbols) + form.rules
    return theirs / events, median(times) / events, len(rest) + 2 * len(rules), ours


def long_figure(kind: str, runs: list[Long], compared: tuple[float, float, int, int]) -> Figure:
    """The row of a kind of long strings."""
    sizes = sorted({run.events for run in runs})
    seconds = [median(run.seconds for run in runs if run.events == size) for size in sizes]
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    last = [run for run in runs if run.events == sizes[-1]]
    peak = max(run.peak for run in last)
    theirs, ours, their_size, our_size = compared
    spread = f"{min(run.seconds for run in last):.2f}–{max(run.seconds for run in last):.2f}"
    return Figure(
        f"{sizes[-1]:,} events, {kind}",
        f"{seconds[-1]:.2f} s ({spread}), {peak / 1e6:.0f} MB, time ∝ n^{exponent:.2f}; "
        f"length {last[0].length:,}, {last[0].rules:,} rules",
        f"≤ {_SECONDS:g} s, ≤ 1 GB, linear",
        f"Re-Pair in Python: {1e9 * theirs:,.0f} ns an event, ours {1e9 * ours:.1f} ({theirs / ours:,.0f} times); "
        f"{their_size:,} symbols, ours {our_size:,}",
        seconds[-1] <= _SECONDS and peak <= _BYTES and exponent <= _EXPONENT,
    )


def main() -> int:
    """The command."""
    options_of = parser(__doc__)
    options_of.add_argument("--child", nargs=2, metavar=("KIND", "EVENTS"), help="one long string, here")
    options_of.add_argument("--check", action="store_true", help="of --child: expand it, too")
    arguments: Namespace = options_of.parse_args()
    options = common(arguments)
    if arguments.child:
        return child(arguments.child[0], int(arguments.child[1]), options.seed, arguments.check)
    most, rounds, each, small = (
        (8_000_000, 1, 250, 20_000) if options.quick else (100_000_000, 3, 2500, 200_000)
    )
    longs = [
        long_run(kind, size, options.seed, check=done == 0 and size == most)
        for done in range(rounds)
        for kind in _KINDS
        for size in (most // 8, most // 4, most // 2, most)
    ]
    columns = (
        Column("string"),
        *(Column(name, right=True) for name in ("events", "s", "MB", "length", "rules")),
    )
    print_table(
        columns,
        [
            (
                r.kind,
                f"{r.events:,}",
                f"{r.seconds:.3f}",
                f"{r.peak / 1e6:.0f}",
                f"{r.length:,}",
                f"{r.rules:,}",
            )
            for r in longs
        ],
    )
    kinds = ("uniform 2 letters", "uniform 3 letters", "uniform 4 letters", "nested loops with noise")
    shorts = [short_runs(kind, each, options.seed) for kind in kinds]
    columns = (
        Column("kind"),
        *(Column(name, right=True) for name in ("strings", "exact", "stream", "ratio", "wrong")),
    )
    print_table(
        columns,
        [
            (s.kind, f"{s.strings:,}", f"{s.exact:.2f}", f"{s.stream:.2f}", f"{s.ratio:.3f}", str(s.wrong))
            for s in shorts
        ],
    )
    ratio, wrong = fmean(s.ratio for s in shorts), sum(s.wrong for s in shorts)
    compared = {kind: peer(kind, small, options.seed) for kind in _KINDS}
    figures = [
        Figure(
            f"{each * len(kinds):,} short strings: all come back; streaming length / exact length",
            f"{wrong} wrong; {ratio:.3f} (by kind {', '.join(f'{s.ratio:.3f}' for s in shorts)})",
            f"0 wrong, ≤ {_RATIO:g}",
            "",
            not wrong and ratio <= _RATIO,
        ),
        *(long_figure(kind, [r for r in longs if r.kind == kind], compared[kind]) for kind in _KINDS),
    ]
    return finish("factorise", options, figures, {"long": longs, "short": shorts, "peer": compared})


if __name__ == "__main__":
    sys.exit(main())
