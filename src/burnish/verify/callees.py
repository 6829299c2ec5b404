"""Callees that are not the same code on both sides: taken to be the same for one proof, and proved by another.

If two functions do the same provided that their callees do, and the callees do provided that theirs do, and so on until
nothing is left open, then all do the same, recursive ones among them: by induction over the depth of calls in a run of
the original (Godlin and Strichman, "Regression verification", 2009: proof rule for mutually recursive functions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from burnish.verify.pair import Pair

_MARK = "@original"


def held_apart(pair: Pair) -> tuple[str, ...]:
    """Names of callees of the original that the rewrite has by the same name, but not by the same code."""
    theirs = {callee.name.partition("@")[0] for callee in pair.rewrite.callees.values()}
    found = {
        callee.name.removesuffix(_MARK)
        for callee in pair.original.callees.values()
        if callee.name.endswith(_MARK)
    }
    return tuple(sorted(found & theirs))


def proviso(name: str) -> str:
    """The phrase that says that a callee is taken to be the same."""
    return f"{name} is the same in both"


def discharged(taken: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The functions whose proofs rest on nothing open. ``taken`` has for each function that is proved the callees that
    were taken to be the same."""
    closed = {name: frozenset(callees) for name, callees in taken.items()}
    while True:
        open_ = {name for name, callees in closed.items() if not callees <= closed.keys()}
        if not open_:
            return frozenset(closed)
        for name in open_:
            del closed[name]
