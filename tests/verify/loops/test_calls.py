"""Loops with calls, with objects, with callees in line, and loops that runs do not reach: gcc's code at two levels, and
wrong variants of it, which the processor tells apart and no proof may accept."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved, Refuted, Unknown, Verdict
from burnish.verify.decide import decide
from burnish.verify.engines import StandardEngines
from burnish.verify.loops.invariants import check, from_json
from burnish.verify.loops.prove import prove_loops
from burnish.verify.loops.splice import called_directly, only_one_side, spliced
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair

PATIENCE_S = 90.0
WRONG_S = 6.0
"""A proof of something wrong, if there were one, would be found by then."""

Build = Callable[..., Pair]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """``build(source, other)``: the functions ``f`` of two C sources, the first at -O1, the second at -O2."""

    def make(source: str, other: str = "", flags: tuple[str, str] = ("-O1", "-O2")) -> Pair:
        made: list[Path] = []
        for number, (text, level) in enumerate(zip((source, other or source), flags, strict=True)):
            path = tmp_path / f"side{number}.c"
            path.write_text(text + "\n")
            made.append(path.with_suffix(".o"))
            options = [level, "-g", "-fno-strict-aliasing", "-fcf-protection=none"]
            options += ["-fno-tree-vectorize", "-fno-tree-loop-distribute-patterns"]
            subprocess.run(["gcc", *options, "-c", path, "-o", made[-1]], check=True)
        inputs = read_input(str(made[0])), read_input(str(made[1]))
        functions = choose_functions(*inputs, "f")[0]
        reading = read_pair(*inputs, functions, Overrides(None, True, (), None, True))
        assert not isinstance(reading, Unknown), reading
        return reading.pair

    return make


@pytest.fixture(scope="module")
def engines() -> Iterator[StandardEngines]:
    with StandardEngines(tests=256) as made:
        yield made


def verdict(pair: Pair, engines: StandardEngines) -> Verdict:
    return decide(pair, engines, PATIENCE_S).verdict


CALLS = (
    "extern int next(int); extern void say(int);"
    "int f(int n){int s=0;for(int i=0;i<n;i++){int v=next(i);if(v<0)return -1;s+=v;say(s);}return s;}"
)
WRONG_CALLS = {
    "another argument": ("next(i)", "next(i+1)"),
    "one call more": ("return s;", "say(n);return s;"),
    "one round less": ("i<n", "i<n-1"),
    "another order": (
        "int v=next(i);if(v<0)return -1;s+=v;say(s);",
        "say(s+i);int v=next(i);if(v<0)return -1;s+=v;",
    ),
    "a result left out": ("if(v<0)return -1;", ""),
    "another result": ("return -1", "return s"),
}

OBJECTS = (
    "int table[64]; extern int limit;"
    "int f(void){int s=0;for(int i=0;i<64;i++){if(table[i]>limit)table[i]=limit;s+=table[i];}return s;}"
)
WRONG_OBJECTS = {
    "another end": ("i<64", "i<63"),
    "another object": ("table[i]>limit", "table[i]>table[0]"),
    "another value": ("table[i]=limit", "table[i]=limit-1"),
}

GIVEN_UP = "extern void next(void);int f(int*p,int n){int s=0;do{next();s+=*p;}while(--n);return s;}"
# What is called may never return, and then the original does not read.
WRONG_GIVEN_UP = {"read before the call": ("int s=0;", "int s=0;(void)*(volatile int*)p;")}

HELPED = (
    "static INLINE long length(const char*s){long n=0;while(s[n])n++;return n;}"
    "long f(const char*a,const char*b){return length(a)*3+length(b);}"
)
KEPT, TAKEN = (HELPED.replace("INLINE", word) for word in ("__attribute__((noinline))", "inline"))
WRONG_HELPED = {
    "another callee": ("while(s[n])", "while(s[n]>1)"),
    "another argument": ("length(b)", "length(a)"),
    "another sum": ("*3+", "*3-"),
}

GUARDED = (
    "struct node{struct node*self;unsigned key;unsigned n;unsigned v[8];};"
    "unsigned f(struct node*p){unsigned s=0;"
    "if(p->self==p&&p->key==0xC0FFEE12u)for(unsigned i=0;i<p->n;i++)s=s*31+i;return s;}"
)
WRONG_GUARDED = {
    "another factor": ("s*31", "s*33"),
    "another end": ("i<p->n", "i+1<p->n"),
    # From 1 it would be the same: 0 * 31 + 0 is 0.
    "another start": ("i=0", "i=2"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "other"),
    [(CALLS, ""), (OBJECTS, ""), (KEPT, TAKEN), (TAKEN, KEPT), (GUARDED, "")],
    ids=["calls", "objects", "callee in line", "callee out of line", "guarded"],
)
def test_proved(build: Build, engines: StandardEngines, source: str, other: str) -> None:
    assert isinstance(verdict(build(source, other), engines), Proved)


@pytest.mark.parametrize("change", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls_are_told(build: Build, engines: StandardEngines, change: tuple[str, str]) -> None:
    pair = build(CALLS, CALLS.replace(*change))
    assert isinstance(verdict(pair, engines), Refuted)


@pytest.mark.parametrize(
    ("source", "change"),
    [
        *((CALLS, change) for change in WRONG_CALLS.values()),
        *((OBJECTS, change) for change in WRONG_OBJECTS.values()),
        *((GUARDED, change) for change in WRONG_GUARDED.values()),
        *((GIVEN_UP, change) for change in WRONG_GIVEN_UP.values()),
    ],
    ids=[
        *WRONG_CALLS,
        *(f"object: {name}" for name in WRONG_OBJECTS),
        *(f"guarded: {n}" for n in WRONG_GUARDED),
        *WRONG_GIVEN_UP,
    ],
)
def test_wrong_loops_are_not_proved(
    build: Build, solver: Solver, source: str, change: tuple[str, str]
) -> None:
    wrong = source.replace(*change)
    assert wrong != source
    proof = prove_loops(build(source, wrong), solver, time.monotonic() + WRONG_S, ())
    assert isinstance(proof.verdict, Unknown)


@pytest.mark.parametrize("change", WRONG_HELPED.values(), ids=WRONG_HELPED)
def test_wrong_callees_are_not_proved(build: Build, solver: Solver, change: tuple[str, str]) -> None:
    proof = prove_loops(build(KEPT, TAKEN.replace(*change)), solver, time.monotonic() + WRONG_S, ())
    assert isinstance(proof.verdict, Unknown)


@pytest.mark.slow
def test_callees_in_line_are_part_of_what_is_checked(build: Build, solver: Solver) -> None:
    pair = build(KEPT, TAKEN)
    proof = prove_loops(pair, solver, time.monotonic() + PATIENCE_S, ())
    assert isinstance(proof.verdict, Proved), proof.verdict
    stored = from_json(json.loads(json.dumps(proof.invariants)))
    assert stored.inline == (frozenset({"length"}), frozenset())
    assert isinstance(check(pair, solver, time.monotonic() + PATIENCE_S, stored).verdict, Proved)
    wrong = build(KEPT, TAKEN.replace("s[n])", "s[n]>1)"))
    assert isinstance(check(wrong, solver, time.monotonic() + PATIENCE_S, stored).verdict, Unknown)


def test_callees_of_one_side_are_found(build: Build) -> None:
    pair = build(KEPT, TAKEN)
    names = only_one_side(pair)
    assert names == (frozenset({"length"}), frozenset())
    assert called_directly(spliced(pair, names).original) == frozenset()
    addresses = [block.label for block in spliced(pair, names).original.function.blocks]
    assert len(set(addresses)) == len(addresses)


CHAIN = """
struct s { struct s *next; long value; };
__attribute__((noinline)) static long inner(struct s *p) { long n = 0; for (; p; p = p->next) n += p->value; return n; }
ATTRIBUTE static long middle(struct s *p) { return p->value ? inner(p) : inner(p->next) + 1; }
long f(struct s *p) { long n = 0; for (; p; p = p->next) n += middle(p); return n; }
"""


def test_what_a_callee_in_line_calls_stays_a_call(build: Build, solver: Solver) -> None:
    """The other side calls ``inner`` by itself, as ``middle`` does once it is in line."""
    kept = CHAIN.replace("ATTRIBUTE", "__attribute__((noinline))")
    pair = build(kept, CHAIN.replace("ATTRIBUTE", "__attribute__((always_inline)) inline"))
    assert only_one_side(pair) == (frozenset({"middle"}), frozenset())
    proof = prove_loops(pair, solver, time.monotonic() + PATIENCE_S, ())
    assert isinstance(proof.verdict, Proved), proof.verdict


ASTRAY = "f:\n call g\n mov eax, 1\n ret\n nop\n nop\n nop\n mov eax, 2\n ret\ng:\n {}\n ret\n"
"""``g`` returns somewhere else than to where it was called from, or does not."""


@pytest.mark.parametrize(
    ("body", "other", "same"), [("nop", "nop", True), ("nop", "add qword ptr [rsp], 9", False)]
)
def test_a_callee_in_line_returns_where_it_was_called_from(
    tmp_path: Path, solver: Solver, body: str, other: str, same: bool
) -> None:
    paths: list[Path] = []
    for number, text in enumerate((body, other)):
        paths.append(tmp_path / f"side{number}.s")
        head = ".intel_syntax noprefix\n.globl f\n.type f, @function\n.type g, @function\n"
        code = ASTRAY.format(text).replace("g:", ".size f, .-f\ng:")
        paths[-1].write_text(f"{head}{code}.size g, .-g\n")
    inputs = read_input(str(paths[0])), read_input(str(paths[1]))
    overrides = Overrides(("eax",), True, (), None, True)
    reading = read_pair(*inputs, choose_functions(*inputs, "f")[0], overrides)
    assert not isinstance(reading, Unknown)
    both = Pair(
        reading.pair.original, reading.pair.rewrite, Specification((LiveOut("rax", 4),), source="option")
    )
    inline = spliced(both, (frozenset({"g"}), frozenset({"g"})))
    proof = prove_loops(inline, solver, time.monotonic() + WRONG_S, ())
    assert isinstance(proof.verdict, Proved) is same
