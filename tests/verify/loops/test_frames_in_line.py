"""Loops with callees in line that have objects of their own, or that jump elsewhere at their end."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.core.verdict import Proved, Unknown
from burnish.verify.loops.prove import prove_loops
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair

PATIENCE_S = 60.0
WRONG_S = 5.0
OBJECT = """
void take(long *, long);
static __attribute__((noinline)) long one(long x) { long v = x; take(&v, x); return v; }
long f(const long *p, long n) { long s = 0; for (long k = 0; k < n; k++) s += one(p[k]); return s; }
"""
OBJECT_IN_LINE = """
void take(long *, long);
long f(const long *p, long n) {
  long s = 0;
  for (long k = 0; k < n; k++) { long x = p[k], v = x; take(&v, x); s += v; }
  return s;
}
"""
JUMP = """
long note(long); long other(long);
static __attribute__((noinline)) long one(long x) { return x > 5 ? note(x + 1) : other(x); }
long f(const long *p, long n) { long s = 0; for (long k = 0; k < n; k++) s += one(p[k]); return s; }
"""
JUMP_IN_LINE = """
long note(long); long other(long);
long f(const long *p, long n) {
  long s = 0;
  for (long k = 0; k < n; k++) { long x = p[k]; s += x > 5 ? note(x + 1) : other(x); }
  return s;
}
"""
RIGHT = {"an object": (OBJECT, OBJECT_IN_LINE), "a jump": (JUMP, JUMP_IN_LINE)}
WRONG = {
    "what the object held before": (OBJECT, OBJECT_IN_LINE.replace("s += v", "s += x")),
    "another object": (
        OBJECT,
        OBJECT_IN_LINE.replace("take(&v, x); s += v", "long w = x; take(&v, x); s += w"),
    ),
    "not stored": (OBJECT, OBJECT_IN_LINE.replace("v = x", "v = 1")),
    "another argument": (JUMP, JUMP_IN_LINE.replace("x + 1", "x + 2")),
    "the other callee": (JUMP, JUMP_IN_LINE.replace(": other", ": note")),
    "not returned": (JUMP, JUMP_IN_LINE.replace("s += x >", "s = x >")),
}
Build = Callable[[str, str], Pair]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """The functions ``f`` of two C sources at -O2."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")

    def make(first: str, second: str) -> Pair:
        made: list[Path] = []
        for number, text in enumerate((first, second)):
            path = tmp_path / f"side{number}.c"
            path.write_text(text)
            made.append(path.with_suffix(".o"))
            options = ["-O2", "-g", "-fno-stack-protector", "-fcf-protection=none", "-fno-ipa-sra"]
            subprocess.run(["gcc", *options, "-c", path, "-o", made[-1]], check=True)
        inputs = read_input(str(made[0])), read_input(str(made[1]))
        reading = read_pair(*inputs, choose_functions(*inputs, "f")[0], Overrides(same_callees=True))
        assert not isinstance(reading, Unknown), reading
        return reading.pair

    return make


@pytest.mark.parametrize("name", RIGHT)
def test_a_callee_in_line_has_its_own_frame(name: str, build: Build, solver: Solver) -> None:
    proof = prove_loops(build(*RIGHT[name]), solver, time.monotonic() + PATIENCE_S, ())
    assert isinstance(proof.verdict, Proved), proof.verdict


@pytest.mark.parametrize("name", WRONG)
def test_what_it_holds_and_where_it_goes_matters(name: str, build: Build, solver: Solver) -> None:
    proof = prove_loops(build(*WRONG[name]), solver, time.monotonic() + WRONG_S, ())
    assert not isinstance(proof.verdict, Proved)
