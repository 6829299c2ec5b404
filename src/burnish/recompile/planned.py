"""What the analyses found out about a function: the data that emission works from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from burnish.core.code import Function, Label
from burnish.core.pcode import Operation
from burnish.recompile.layout import Layout
from burnish.recompile.liveness import Summarise


@dataclass(frozen=True, slots=True)
class Plan:
    """All that emission needs to know of a function. ``operations`` are those of each block that matter,
    ``live`` and ``defined`` the register bytes read later and surely written at each block's start, ``carried``
    the temporaries that cross blocks, ``volatile`` the loads that must stay where they are."""

    function: Function
    operations: Mapping[Label, Sequence[Operation]]
    live: Mapping[Label, int]
    defined: Mapping[Label, int]
    layout: Layout
    carried: Mapping[int, int]
    summarise: Summarise
    volatile: frozenset[tuple[Label, int]] = frozenset()
    certain: int = 0
    """Register bytes that are read for certain from the function's entry."""
    written: int = 0
    """Register bytes that hold a value at every return, if every function called gives one in every return
    register."""
    results: int = 0
    """Register bytes that hold a value of the function's own making at every return and tail call."""
    likely: frozenset[Label] = frozenset()
    """Blocks whose branch more likely falls through than not."""
    places: Mapping[Label, Sequence[int]] = field(default_factory=dict[Label, "Sequence[int]"])
    """Where each of ``operations`` stands in its block: an operation may be in several places."""
