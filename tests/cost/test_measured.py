"""Comparisons of real programs and functions: those that differ by a known amount, and equals."""

from __future__ import annotations

import ctypes
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.core.errors import TargetError
from burnish.core.profile import Profile
from burnish.cost.commands import Progress, compare_commands
from burnish.cost.functions import compare_functions
from burnish.cost.sampled import AddressRange, FunctionRanges, compare_sampled
from burnish.record.sampling import sample
from burnish.runtime.command import Command

SOURCE = """
#include <stdint.h>
#include <stdlib.h>
static volatile uint64_t start = 88172645463325252u;
#define SPIN(name) __attribute__((noinline)) uint64_t name(long rounds) { \\
    uint64_t x = start; \\
    for (long i = 0; i < rounds; i++) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; } \\
    return x; }
SPIN(changed) SPIN(same) SPIN(more)
uint64_t twice(long rounds) { return more(2 * rounds); }
int main(int count, char **words) {
    long rounds = atol(words[1]);
    uint64_t x = 0;
    for (int i = 0; i < 50; i++) x ^= changed(COST * rounds) ^ same(2 * rounds);
    return x == 1;
}
"""


def _build(folder: Path, name: str, *flags: str) -> Path:
    (folder / "source.c").write_text(SOURCE)
    subprocess.run(["gcc", "-O2", *flags, "-o", folder / name, folder / "source.c"], check=True)
    return folder / name


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two that differ in ``changed`` only: three parts of five, and one of three."""
    folder = tmp_path_factory.mktemp("programs")
    return _build(folder, "slow", "-DCOST=3"), _build(folder, "fast", "-DCOST=1")


def _command(program: Path, rounds: int) -> Command:
    return Command((str(program), str(rounds)))


def test_a_faster_program_is_faster(programs: tuple[Path, Path]) -> None:
    seen: list[Progress] = []
    slow, fast = (_command(program, 150_000) for program in programs)
    result = compare_commands(slow, fast, seed=1, max_pairs=16, on_progress=seen.append)
    assert result.cpu.faster and result.cpu.speedup == pytest.approx(5 / 3, rel=0.2)
    assert 1.2 < result.wall.speedup < 2.5, "the clock also counts what else the machine does"
    assert len(seen) == result.pairs == len(result.cpu.baseline.values)
    assert compare_commands(fast, slow, seed=1, max_pairs=6).cpu.slower
    document = json.loads(result.to_json())
    assert (
        document["stopped"] == result.stopped and len(document["wall"]["candidate"]["values"]) == result.pairs
    )


def test_a_program_is_not_faster_than_itself(programs: tuple[Path, Path]) -> None:
    """At most one of three seeds, so that a false alarm in 40 does not fail the suite."""
    command = _command(programs[1], 100_000)
    results = [compare_commands(command, command, seed=seed, max_pairs=8).cpu for seed in range(3)]
    assert sum(result.faster for result in results) <= 1
    assert all(0.7 < result.speedup < 1.4 for result in results)


def test_the_budget_bounds_it(programs: tuple[Path, Path]) -> None:
    sleep = Command(("sleep", "0.1"))
    result = compare_commands(sleep, sleep, seed=1, warmup=0, budget_s=1.5)
    # Seven fit; on a busy machine fewer.
    assert result.stopped == "budget" and 1 <= result.pairs <= 7
    assert len(result.cpu.baseline.values) == len(result.wall.candidate.values) == result.pairs


def test_the_order_alternates(tmp_path: Path) -> None:
    def append(letter: str) -> Command:
        return Command(("sh", "-c", f"printf {letter} >>log"), cwd=tmp_path)

    result = compare_commands(append("a"), append("b"), seed=1, max_pairs=4, warmup=1)
    assert (tmp_path / "log").read_text() == "ab" + "abbaabba"
    assert any("give it more work" in warning for warning in result.cpu.warnings)


def test_a_run_that_fails_has_no_time() -> None:
    good, bad = Command(("true",)), Command(("sh", "-c", "exit 4"))
    with pytest.raises(TargetError, match="exit code 4"):
        compare_commands(good, bad, seed=1)
    with pytest.raises(TargetError, match="time limit"):
        compare_commands(good, Command(("sleep", "60")), seed=1, timeout_s=0.1)


def test_output_goes_to_a_file_and_not_to_null(tmp_path: Path) -> None:
    probe = Command(("sh", "-c", "readlink /proc/$$/fd/1 >>seen"), cwd=tmp_path)
    compare_commands(probe, probe, seed=1, max_pairs=1, warmup=0)
    assert "/dev/null" not in (tmp_path / "seen").read_text()


def test_functions_in_this_process(tmp_path: Path) -> None:
    library = ctypes.CDLL(str(_build(tmp_path, "library.so", "-DCOST=1", "-shared", "-fPIC")))

    def address(name: str) -> int:
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0

    faster = compare_functions(address("twice"), address("same"), [[50], [500]], seed=1)
    assert faster.faster and faster.speedup == pytest.approx(2.0, rel=0.15)
    assert faster.baseline.unit == "ticks" and faster.candidate.median > 3 * 275
    # Of a function and itself an interval misses 1 now and then, and more often while other work comes and goes; it
    # must not do so whenever it is asked.
    for attempt in range(4):
        equal = [
            compare_functions(address("same"), address("same"), [[50], [500]], seed=3 * attempt + seed)
            for seed in range(3)
        ]
        assert all(one.speedup == pytest.approx(1.0, abs=0.1) for one in equal)
        if sum(one.faster for one in equal) <= 1:
            break
    else:
        pytest.fail("a function is said to be faster than itself, again and again")
    with pytest.raises(ValueError, match="no argument"):
        compare_functions(address("same"), address("same"), [], seed=1)


def _range(program: Path, name: str) -> AddressRange:
    listing = subprocess.run(["nm", "-S", program], check=True, capture_output=True, text=True).stdout
    start, size = next(line.split()[:2] for line in listing.splitlines() if line.endswith(f" {name}"))
    return AddressRange(program, int(start, 16), int(start, 16) + int(size, 16))


def test_functions_of_sampled_programs(programs: tuple[Path, Path]) -> None:
    slow, fast = programs
    old: list[Profile] = []
    new: list[Profile] = []
    for _ in range(6):
        old.append(sample(_command(slow, 400_000)))
        new.append(sample(_command(fast, 400_000)))
    functions = [
        FunctionRanges(name, (_range(slow, name),), (_range(fast, name),)) for name in ("changed", "same")
    ]
    # What is left of the old code, which nothing runs any more, counts as well.
    functions[0] = replace(functions[0], candidate=(*functions[0].candidate, _range(fast, "more")))
    changed, same = compare_sampled(old, new, functions, seed=1)
    # Two threads of one core slow each other down, so on a busy machine a ratio of three is only roughly that.
    assert changed.comparison.faster and 2.0 < changed.comparison.speedup < 4.5
    assert changed.comparison.low > 1.3 and changed.comparison.high < 9.0
    assert not same.comparison.faster or same.comparison.low < 1.05
    assert 0.7 < same.comparison.speedup < 1.4
    assert changed.share == pytest.approx(0.6, abs=0.1)
    assert len(changed.comparison.baseline.values) == 6
    with pytest.raises(ValueError, match="not pairs"):
        compare_sampled(old, new[:-1], functions, seed=1)
    with pytest.raises(ValueError, match="did not complete"):
        compare_sampled([replace(old[0], exit_code=1)], new[:1], functions, seed=1)
