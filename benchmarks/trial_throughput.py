"""Claim: native tests run at least 10^6 executions of a rewrite a second on one core, and most wrong rewrites are told
apart in under 10 ms, all included: placing the code, running it, comparing.

Rates are of processor time (of both processes) and of whole calls from Python, once the original is prepared: the
median of several, for an unchanged copy as the rewrite, so that every input is run and compared. Times
to a counterexample are those of mutants: one bit of one instruction changed, as far as that can still be lifted.

    python benchmarks/trial_throughput.py [--tests N] [--repeat N] [--mutants N] [--seed N]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from burnish.core.code import Function
from burnish.images import control_flow
from burnish.machine.encoding import decode
from burnish.verify.pair import Pair, Side
from burnish.verify.subject import choose_functions, read_input, read_pair
from burnish.verify.subject.pairs import Reading
from burnish.verify.trials import Bench, PreparedOriginal

SOURCES = {
    "average": "int f(int x, int y) { return (x & y) + ((x ^ y) >> 1); }",
    "popcount": "unsigned f(unsigned x) { x -= x >> 1 & 0x55555555; x = (x & 0x33333333) + (x >> 2 & 0x33333333);"
    "return ((x + (x >> 4) & 0x0f0f0f0f) * 0x01010101) >> 24; }",
    "digit": "int f(int c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }",
    "sum": "int f(const int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i]; return s; }",
    "length": "unsigned long f(const char *s) { const char *p = s; while (*p) p++; return p - s; }",
    "list": "struct n { int v; struct n *next; }; int f(struct n *p) { int s = 0; for (; p; p = p->next) s += p->v;"
    "return s; }",
    "fields": "struct s { int a; long b; char c[8]; }; void f(struct s *p, int k) { p->a += k; p->b -= k;"
    "p->c[k & 7] = k; }",
}
FLAGS = ("-O2", "-fcf-protection=none", "-fno-tree-loop-distribute-patterns")


def pair_of(source: str, folder: Path) -> Pair:
    path = folder / "source.c"
    path.write_text(source + "\n")
    made = read_input(path, FLAGS)
    reading = read_pair(made, made, choose_functions(made, made, "f")[0])
    if not isinstance(reading, Reading):
        raise SystemExit(f"a source cannot be read as a pair: {reading.reason}")
    return reading.pair


def mutants(side: Side, source: random.Random) -> Iterator[Side]:
    """The side with one bit of one instruction changed."""
    while True:
        instruction = source.choice(side.function.instructions)
        at = instruction.address + source.randrange(instruction.size)
        segment = side.image.segment_at(at)
        assert segment is not None
        data = bytearray(segment.data)
        data[at - segment.address] ^= 1 << source.randrange(8)
        encoding = decode(bytes(data), instruction.address - segment.address)
        if encoding is None or encoding.size != instruction.size:
            continue
        segments = tuple(replace(s, data=bytes(data)) if s is segment else s for s in side.image.segments)
        image = replace(side.image, segments=segments)
        bounds = next(b for b in image.functions if b.address == side.function.address)
        function = control_flow(image, bounds)
        if isinstance(function, Function):
            yield replace(side, image=image, function=function)


def processor_time(bench: Bench) -> float:
    """Seconds that this process and the one in which code runs have used."""
    pid = bench.quick.pid
    theirs = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) if pid else 0
    return time.process_time() + theirs / 1e9


def rates(original: PreparedOriginal, rewrite: Side, bench: Bench, repeat: int) -> list[float]:
    """Executions a second of processor time, sample by sample, after one run to warm up."""
    found: list[float] = []
    for _ in range(repeat + 1):
        began = processor_time(bench)
        trials = original.test(rewrite, bench)
        found.append(2 * trials.tested / (processor_time(bench) - began))
        assert trials.counterexample is None and trials.tested == original.tests
    return found[1:]


def times_to_death(
    original: PreparedOriginal, side: Side, bench: Bench, count: int, source: random.Random
) -> tuple[list[float], int]:
    """Seconds for each mutant that was told apart, and how many were not."""
    found: list[float] = []
    alive = 0
    made = mutants(side, source)
    for _ in range(count):
        mutant = next(made)
        began = time.perf_counter()
        trials = original.test(mutant, bench)
        if trials.counterexample is None:
            alive += 1
        else:
            found.append(time.perf_counter() - began)
    return found, alive


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tests", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    print(
        f"{options.tests} inputs, {options.repeat} samples, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'function':10} {'prepare ms':>10} {'median/s':>12} {'lowest/s':>12} {'highest/s':>12} "
          f"{'killed':>7} {'alive':>6} {'median ms':>10} {'p90 ms':>8}")  # fmt: skip
    every: list[float] = []
    with Bench() as bench, tempfile.TemporaryDirectory() as folder:
        for name, text in SOURCES.items():
            pair = pair_of(text, Path(folder))
            large = PreparedOriginal.prepare(
                pair.original, pair.specification, bench, count=options.tests, seconds=30.0
            )
            speed = rates(large, pair.rewrite, bench, options.repeat)
            began = time.perf_counter()
            original = PreparedOriginal.prepare(pair.original, pair.specification, bench, count=512)
            prepared = time.perf_counter() - began
            seconds, alive = times_to_death(original, pair.original, bench, options.mutants, source)
            every += seconds
            tenth = sorted(seconds)[len(seconds) * 9 // 10]
            print(f"{name:10} {1e3 * prepared:10.1f} {statistics.median(speed):12,.0f} {min(speed):12,.0f} "
                  f"{max(speed):12,.0f} {len(seconds):7} {alive:6} {1e3 * statistics.median(seconds):10.2f} "
                  f"{1e3 * tenth:8.2f}")  # fmt: skip
            sys.stdout.flush()
    print(f"all: {len(every)} mutants told apart, median {1e3 * statistics.median(every):.2f} ms")


if __name__ == "__main__":
    main()
