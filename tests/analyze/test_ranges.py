"""What sites touch: lines through their addresses, names of memory, and which lines can meet, on compiled programs."""

from __future__ import annotations

import itertools
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import burnish
from burnish.analyze.nest import walk
from burnish.analyze.objects import Objects
from burnish.analyze.program import Program, program_of
from burnish.analyze.ranges import never_meet, ranges
from burnish.core.recording import RecordedImage
from burnish.core.superblocks import Range
from burnish.images.data_symbols import linked_symbols
from burnish.record.attribution import build_id

N = 24
TEXT = """
#include <stdlib.h>
#define N 24
#define HOT __attribute__((noinline, noipa))
#define JOIN(name, level) name##level
#define NAMED(name, level) JOIN(name, level)
#define rows NAMED(rows, LEVEL)
#define columns NAMED(columns, LEVEL)
#define strided NAMED(strided, LEVEL)
#define triangle NAMED(triangle, LEVEL)
#define indirect NAMED(indirect, LEVEL)
#define fill NAMED(fill, LEVEL)
#define callee NAMED(callee, LEVEL)
#define heap NAMED(heap, LEVEL)
#define deep NAMED(deep, LEVEL)
#define stack NAMED(stack, LEVEL)
static int a[N][N], b[N][N], c[N][N], line[4 * N * N], shuffled[N * N];
HOT void rows(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int sum = 0;
            for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}
HOT void columns(void) {
    for (int j = 0; j < N; j++)
        for (int i = 0; i < N; i++) a[i][j] = a[i][j] * 3 + i;
}
HOT void strided(int n) { for (int i = 0; i < n; i++) line[4 * i] = line[4 * i + 2] + i; }
HOT void triangle(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) b[i][j] += b[j][i];
}
HOT void indirect(int n) { for (int i = 0; i < n; i++) line[shuffled[i]] = i; }
HOT void fill(int *to, int n) { for (int i = 0; i < n; i++) to[i] = to[i] * 5 + n; }
HOT void callee(void) { for (int i = 0; i < N; i++) fill(c[i], N); }
HOT void heap(int *to, int *from) { fill(to, 100); fill(from, 90); }
HOT int *deep(int *at, int depth) {
    if (!depth) return at;
    for (int i = 0; i < 2; i++) { *at += i; at = deep(at + 1, depth - 1); }
    return at;
}
HOT int stack(int n) {
    volatile int own[64];
    for (int i = 0; i < 64; i++) own[i] = i * n;
    return own[n & 63];
}
int NAMED(run, LEVEL)(void) {
    for (int i = 0; i < N * N; i++) shuffled[i] = i * 97 % (N * N) * 4 + i % 3;
    rows(); columns(); strided(N * N); triangle(); indirect(N * N); callee();
    int *small = malloc(400), *large = malloc(1 << 20);
    for (int i = 0; i < 100; i++) small[i] = large[i] = i;
    heap(small, large);
    deep(small, 4);
    return stack(0) + 1;
}
"""
MAIN = "int run_O0(void), run_O2(void), run_O3(void); int main(void) { return run_O0() + run_O2() + run_O3() - 3; }"
LEVELS = ("_O0", "_O2", "_O3")
FUNCTIONS = ("rows", "columns", "strided", "triangle", "indirect", "fill", "callee", "heap", "deep", "stack")


class Seen:
    """The ranges of a recording, by function and depth of the loop (0: the function)."""

    def __init__(self, recording: burnish.Recording) -> None:
        self.program: Program = program_of(recording)
        self.ranges = ranges(recording, self.program, walk(recording, self.program))
        self.names = {row["name"]: number for number, row in self.program.functions.items()}
        self.level = ""

    def of(self, function: str, depth: int, store: bool | None = None, own: bool = True) -> list[Range]:
        """Those of sites of the function itself (``own``) or of what it calls."""
        number = self.names[function + self.level]
        chosen = (
            [loop.number for loop in self.program.loops if (loop.function, loop.depth) == (number, depth)]
            if depth
            else [len(self.program.loops) + number]
        )
        rows = [row for region in chosen for row in self.ranges.get(region, ())]
        owner = {row.site: self.program.blocks[self.program.sites[row.site]["block"]] for row in rows}
        rows = [row for row in rows if (owner[row.site]["function"] == number) == own]
        return [row for row in rows if store is None or row.store == store]


@pytest.fixture(scope="module")
def all_seen(build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("ranges")
    (folder / "text.c").write_text(TEXT)
    for level in LEVELS:
        flags = [f"-{level[1:]}", f"-DLEVEL={level}", "-fno-inline", "-c", "-o", f"{level}.o"]
        subprocess.run(["gcc", *flags, "text.c"], cwd=folder, check=True)
    program = build("ranges", MAIN, *(str(folder / f"{level}.o") for level in LEVELS))
    functions = [function + level for function in FUNCTIONS for level in LEVELS]
    what = ["edges", "blocks", "memory"]
    return Seen(burnish.record([program], folder / "r.burnish", what=what, functions=functions))


@pytest.fixture(params=LEVELS)
def seen(request: pytest.FixtureRequest, all_seen: Seen) -> Seen:
    all_seen.level = request.param
    return all_seen


def main_part(rows: list[Range], name: str) -> list[Range]:
    """Those with that name that ran more than once a visit."""
    return [row for row in rows if row.object == name and row.count > N]


def test_a_matrix_product_goes_by_rows_and_columns(seen: Seen) -> None:
    stored = main_part(seen.of("rows", 1, store=True), "c")
    assert stored
    assert {row.strides[-1] for row in stored if row.strides} == {4 * N}
    for row in seen.of("rows", 1):
        assert row.strides is not None and row.fits == row.count and row.fixed, row
        if row.object == "a":
            assert row.strides[-1] == 4 * N, row
        if row.object == "b":
            assert row.strides[-1] == 0 and 4 * N in {*row.strides, row.size * N}, row


def test_rows_of_a_product_never_meet_but_its_columns_are_read_again(seen: Seen) -> None:
    rows = seen.of("rows", 1)
    for row, store in itertools.product(rows, (row for row in rows if row.store)):
        assert never_meet(row, store) == (row.object in ("a", "b", "c")), (row, store)


def test_columns_have_the_stride_of_a_row_inside(seen: Seen) -> None:
    rows = seen.of("columns", 1)
    assert {row.object for row in rows} >= {"a"}
    for row in (row for row in rows if row.object == "a"):
        assert row.strides is not None, row
        if len(row.strides) == 2 and row.size == 4 and row.rounds[0] == N and row.rounds[1] == N:
            assert row.strides == (4 * N, 4)
        assert all(never_meet(row, other) for other in rows if other.store or row.store), row


def test_strides_and_steps_between_lines(seen: Seen) -> None:
    rows = [row for row in seen.of("strided", 1) if row.object == "line"]
    assert {row.store for row in rows} == {True, False}
    for row in rows:
        assert row.strides and row.strides[0] % 16 == 0, row
    stores, loads = ([row for row in rows if row.store == which] for which in (True, False))
    if all(row.size == 4 for row in rows):
        # 4 i and 4 i' + 2: by the greatest common divisor.
        assert all(never_meet(load, store) for load, store in itertools.product(loads, stores))


def test_a_triangle_is_a_line_with_bounds_that_move(seen: Seen) -> None:
    rows = [row for row in seen.of("triangle", 1, store=True) if row.object == "b" and row.count > N]
    assert rows
    for row in rows:
        assert row.strides is not None and row.strides[-1] == 4 * N, row
        assert never_meet(row, row)


def test_indirect_accesses_have_no_line_and_may_meet(seen: Seen) -> None:
    stores = [row for row in seen.of("indirect", 1, store=True) if row.object == "line"]
    loads = [row for row in seen.of("indirect", 1, store=False) if row.object == "shuffled"]
    assert stores and loads
    for row in stores:
        assert row.strides is None and row.fits < row.count and row.end - row.least > 8 * N * N
        assert not never_meet(row, row)
    assert all(row.strides and never_meet(row, store) for row in loads for store in stores)


def test_lines_go_through_calls(seen: Seen) -> None:
    rows = [row for row in seen.of("callee", 1, own=False) if row.object == "c"]
    assert any(row.store for row in rows)
    for row in rows:
        assert row.strides is not None and row.strides[-1] == 4 * N and len(row.strides) in (1, 2), row
        assert all(never_meet(row, other) for other in rows if other.store), row


def test_a_loop_for_different_memory_has_a_base_for_each_visit(seen: Seen) -> None:
    rows = [row for row in seen.of("fill", 1, store=True) if row.count > 100]
    assert rows
    for row in rows:
        assert not row.fixed and row.strides and "heap" in row.object and "c" in row.object.split(", "), row


def test_memory_of_malloc_is_the_heap_and_frames_are_the_stack(seen: Seen) -> None:
    assert {row.object for row in seen.of("heap", 0, own=False)} == {"heap"}
    assert {row.object for row in seen.of("stack", 1)} <= {"stack", "ranges"}
    assert "stack" in {row.object for row in seen.of("stack", 1)}


def test_recursion_is_counted_whole_and_has_no_line(seen: Seen) -> None:
    rows = [row for row in seen.of("deep", 0, store=True) if row.object == "heap"]
    # Adding 0 in the first of two unrolled rounds is no access.
    assert sum(row.count for row in rows) in (15, 30)
    assert all(row.strides is None for row in rows if row.count > 1)


def test_counts_are_those_of_the_trace(seen: Seen) -> None:
    for function in ("rows", "columns", "triangle"):
        for row in seen.of(function, 0):
            block = seen.program.blocks[seen.program.sites[row.site]["block"]]
            assert row.count == block["entered"]


def touched(row: Range) -> Iterator[tuple[int, frozenset[int]]]:
    """Each round of the loop with each run of bytes that a site touches in it."""
    assert row.strides is not None
    for at in itertools.product(*(range(n) for n in row.rounds)):
        start = row.base + sum(s * r for s, r in zip(row.strides, at, strict=True))
        yield at[-1], frozenset(range(start, start + row.size))


def meet(a: Range, b: Range) -> bool:
    """The definition: two rounds that touch one byte."""
    return any(
        one != other and not mine.isdisjoint(yours)
        for (one, mine), (other, yours) in itertools.product(touched(a), list(touched(b)))
    )


def test_never_meet_is_never_wrong_and_mostly_sharp() -> None:
    source = random.Random(5)

    def some(site: int, levels: int) -> Range:
        strides = tuple(source.choice((-24, -8, -3, 0, 1, 4, 6, 8, 16, 24)) for _ in range(levels))
        rounds = tuple(source.randint(1, 5) for _ in range(levels))
        base, size = 1000 + source.randrange(40), source.choice((1, 2, 4, 8))
        return Range(site, True, size, "", 0, 1 << 20, 9, strides, base, 9, rounds, (), True)

    apart = found = 0
    for _ in range(1500):
        a, b = some(1, source.randint(1, 2)), some(2, source.randint(1, 2))
        if source.random() < 0.3:
            b = a
        really = meet(a, b)
        apart += not really
        if never_meet(a, b):
            assert not really, (a, b)
            found += 1
    assert found > 0.8 * apart


def test_what_has_no_line_or_no_fixed_base_may_meet() -> None:
    line = Range(1, True, 4, "", 0, 400, 100, (4,), 0, 100, (100,), (), True)
    other = Range(2, False, 4, "", 0, 400, 100, (4,), 0, 100, (100,), (), False)
    assert never_meet(line, line) and not never_meet(line, other) and never_meet(other, other)
    scattered = Range(3, True, 4, "", 0, 400, 100)
    assert not never_meet(line, scattered) and not never_meet(scattered, scattered)
    assert never_meet(scattered, Range(4, True, 4, "", 400, 800, 100))


def recording_with(mappings: list[dict[str, Any]], *images: RecordedImage) -> Any:
    """Like a recording, as far as names of memory ask."""
    table = SimpleNamespace(to_pylist=lambda: mappings)
    manifest = SimpleNamespace(images=images)
    return SimpleNamespace(has=lambda _: bool(mappings), to_arrow=lambda _: table, manifest=manifest)


def test_memory_of_which_nothing_is_known_is_grouped_by_gaps() -> None:
    objects = Objects(recording_with([]))
    far = 3 << 20
    objects.cluster([(far, far + 8), (4096, 5000), (6000, 6008), (far + 4096, far + 5000)])
    assert objects.name(4096, 6008) == objects.name(6000, 6004) == "memory 1"
    assert objects.name(far, far + 5000) == "memory 2"


def test_names_come_from_mappings_and_symbols(build: Callable[..., Path]) -> None:
    program = build("named", "int table[100]; int main(void) { return table[3]; }", "-no-pie")
    image = RecordedImage(str(program), build_id(program))
    symbols = {symbol.name: symbol for symbol in linked_symbols(program)}
    table, row = symbols["table"], {"process": 1, "image": None, "offset": 0}
    base = 0x7F0000000000
    mappings = [
        {**row, "start": base, "end": base + 4096, "name": "/usr/lib/libc.so.6"},
        {**row, "start": base + (1 << 32), "end": base + (1 << 32) + 8192, "name": "[stack]"},
        {**row, "start": base + 8192, "end": base + 12288, "name": ""},
    ]
    objects = Objects(recording_with(mappings, image))
    assert objects.name(table.address + 4, table.end) == "table"
    assert objects.name(table.address - 8, table.end) == "named"  # more than the symbol
    assert objects.name(base + 8, base + 16) == "libc.so.6"
    assert objects.name(base + (1 << 32) - 100, base + (1 << 32) + 8) == "stack"
    assert objects.name(base + 8192, base + 8200) == objects.name(1 << 44, (1 << 44) + 8) == "heap"
    # Of another file than the recorded one nothing is known.
    other = Objects(recording_with(mappings, RecordedImage(str(program), "00")))
    assert other.name(table.address, table.end) == "heap"
