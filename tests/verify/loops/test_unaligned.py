"""Loops that no run reaches: proved from the code alone, and wrong ones not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from burnish.core.verdict import Proved, Unknown
from burnish.verify.loops import prove as proving
from burnish.verify.loops.invariants import cuts_of
from burnish.verify.loops.learn import alignments
from burnish.verify.loops.prove import prove_loops
from burnish.verify.loops.surroundings import made_up
from burnish.verify.solve import Solver

from .conftest import MakePair

PATIENCE_S = 120.0
WRONG_S = 4.0

NEXT = "int f(int*p,int n){int s=0;while(n!=-1){s+=p[n];n=p[n+1]-n;}return s;}"
WRONG_NEXT = {
    "another end": ("n!=-1", "n!=-2"),
    "another way on": ("p[n+1]-n", "p[n+1]+n"),
    "differs in one case only": ("s+=p[n]", "s+=p[n]+(n==77777)"),
    "ends early in one case": ("n!=-1", "n!=-1&&n!=12345"),
}
FILL = "void f(char*p,int c,unsigned long n){for(unsigned long i=0;i<n;i++)p[i]=c;}"
WRONG_FILL = {"another byte": ("p[i]=c", "p[i]=c+(i==99999)")}


@pytest.fixture(autouse=True)
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Iterator[object]:
        return iter(())

    monkeypatch.setattr(proving, "alignments", none)


def test_a_loop_that_is_tested_at_its_top_goes_with_one_tested_at_its_bottom(make_pair: MakePair) -> None:
    """The first is come to once more, unless both are left in the middle."""
    source = NEXT.replace("s+=p[n]", "if(p[n]>200)return n;s+=p[n]")
    pair = make_pair(
        source,
        "-O1",
        "-O2",
        other=source.replace("while(n!=-1)", "for(;;)").replace("if(", "if(n==-1)return s;if("),
    )
    found = next(alignments(pair, cuts_of(pair), made_up(24), {}, time.monotonic() + PATIENCE_S))[0]
    assert len(found.rules) == 1
    assert not found.rules[0].still


@pytest.mark.slow
@pytest.mark.parametrize(("source", "size"), [(NEXT, 4), (FILL, 0)], ids=["list", "fill"])
def test_proved(make_pair: MakePair, solver: Solver, source: str, size: int) -> None:
    proof = prove_loops(make_pair(source, "-O1", "-O2", size), solver, time.monotonic() + PATIENCE_S, ())
    assert isinstance(proof.verdict, Proved), proof.verdict


@pytest.mark.parametrize(
    ("source", "change", "size"),
    [
        *((NEXT, change, 4) for change in WRONG_NEXT.values()),
        *((FILL, change, 0) for change in WRONG_FILL.values()),
    ],
    ids=[*WRONG_NEXT, *WRONG_FILL],
)
def test_wrong_ones_are_not(
    make_pair: MakePair, solver: Solver, source: str, change: tuple[str, str], size: int
) -> None:
    wrong = source.replace(*change)
    assert wrong != source
    pair = make_pair(source, "-O1", "-O2", size, other=wrong)
    proof = prove_loops(pair, solver, time.monotonic() + WRONG_S, ())
    assert isinstance(proof.verdict, Unknown)
