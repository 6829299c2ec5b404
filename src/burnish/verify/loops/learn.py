"""What is learnt of loops by running both sides: which visits go together, and which values may be related."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.core.code import Function, Label, TailCall
from burnish.core.pcode import Operation, Space
from burnish.machine.registers import CELLS, INTEGER_ARGUMENTS, INTEGER_RETURNS
from burnish.recompile.bits import CLOBBERED, cell_mask, cells_mask
from burnish.recompile.calls import CallSummary
from burnish.recompile.liveness import Summarise, carried_temporaries, liveness, without_dead
from burnish.verify.engine.addresses import LOCAL_BASES, OBJECT
from burnish.verify.loops.align import START, Aligner, Alignment, Node, Run
from burnish.verify.loops.candidates import (
    PRESERVED,
    cell_values,
    entry_values,
    object_values,
    slot_values,
    untouched,
)
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.relations import Computed
from burnish.verify.loops.surroundings import Start
from burnish.verify.loops.traces import Trace, both_traces, object_names
from burnish.verify.loops.values import Side as SideName
from burnish.verify.loops.values import Value
from burnish.verify.loops.words import words_of
from burnish.verify.loops.written import written_by
from burnish.verify.pair import MOST_CLASSES, Pair, Side

_RUNS_SHARES = 0.12, 0.35
"""Of the time, what runs may take; and where there are hardly any."""
_FEWEST_RUNS = 3
_MOST_OBJECTS = 16
"""Objects whose addresses relations may speak of."""
_SOME_ARGUMENTS = CallSummary(cells_mask((*INTEGER_ARGUMENTS, "rax")), CLOBBERED)
"""A callee of which nothing is known: few take numbers in vector registers."""


Values = Callable[[Node], tuple[Value, ...]]
"""What relations may speak of at a pair of cuts."""


def unaligned(pair: Pair) -> tuple[Alignment, Values]:
    """What needs no runs: no rule and no sample, where one round of one side goes with one of the other's, as the two
    come to their loops. The search makes up its samples."""
    spoken = _Spoken.of(pair, [])
    return Alignment((), (), {START: []}, 0), spoken.at


def alignments(
    pair: Pair,
    cuts: tuple[frozenset[Label], frozenset[Label]],
    starts: Sequence[Start],
    objects: Mapping[str, int],
    deadline: float,
) -> Iterator[tuple[Alignment, Values]]:
    """Alignments, likeliest first, each with the values that its relations may speak of at a pair of cuts."""
    now = time.monotonic()
    light = _light(pair.original), _light(pair.rewrite)
    runs = both_traces(
        pair, light, cuts, starts, objects, *(now + s * (deadline - now) for s in _RUNS_SHARES)
    )
    if len(runs) < _FEWEST_RUNS:
        return
    spoken = _Spoken.of(pair, runs)
    loops = [loops_of(side.function) for side in (pair.original, pair.rewrite)]
    aligner = Aligner(runs, loops[0], loops[1], spoken.a, spoken.b, spoken.entry)
    for alignment in aligner.alignments():
        yield alignment, spoken.at


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What relations may speak of: of the entry state, and of each side at its cuts."""

    entry: tuple[Value, ...]
    a: dict[Label, tuple[Value, ...]]
    b: dict[Label, tuple[Value, ...]]
    starts: tuple[Label, Label]

    @classmethod
    def of(cls, pair: Pair, runs: Sequence[Run]) -> _Spoken:
        """``runs`` show what is used of both frames."""
        sides = pair.original, pair.rewrite
        functions = sides[0].function, sides[1].function
        written = written_by(functions[0].blocks) | written_by(functions[1].blocks)
        live = [_live(side)[side.function.blocks[0].label] for side in sides]
        entry = (
            *object_values(object_names(pair)[:_MOST_OBJECTS]),
            *object_values(base.name.removeprefix(OBJECT) for base in LOCAL_BASES[: len(pair.shared)]),
            *entry_values((live[0] | live[1]) & ~cells_mask(PRESERVED), written),
        )
        unseen = sides[0].unseen(one.address for one in functions[0].instructions)
        words = words_of(functions[0], unseen.first(MOST_CLASSES))
        own = _values("a", sides[0], [a for a, _ in runs])
        return cls(
            entry,
            {label: (*values, *words.get(label, ())) for label, values in own.items()},
            _values("b", sides[1], [b for _, b in runs]),
            (functions[0].blocks[0].label, functions[1].blocks[0].label),
        )

    def at(self, node: Node) -> tuple[Value, ...]:
        """At a pair of cuts."""
        return self.entry + self.a[node.a or self.starts[0]] + self.b[node.b or self.starts[1]]


def unchanged(pair: Pair) -> tuple[Computed, ...]:
    """That what no code of a side changes is as at entry; of arguments, what no code does before a call."""
    return _unchanged("a", pair.original) + _unchanged("b", pair.rewrite)


def _unchanged(name: SideName, side: Side) -> tuple[Computed, ...]:
    written = written_by(side.function.blocks)
    arguments = cells_mask(INTEGER_ARGUMENTS) & ~written_by(side.function.blocks, cells_mask(INTEGER_RETURNS))
    return untouched(name, written & ~arguments)


def _light(side: Side) -> Function:
    """The function without what nobody reads: most flags."""
    function, summary = side.function, _summarise(side)
    live = liveness(function, summary).live_out
    carried = carried_temporaries(function)
    blocks = (
        replace(b, operations=without_dead(b, live[b.label], summary, carried), marks=())
        for b in function.blocks
    )
    return replace(function, blocks=tuple(blocks))


def _live(side: Side) -> dict[Label, int]:
    """Register bytes that are read later, by block."""
    return liveness(side.function, _summarise(side)).live_in


def _summarise(side: Side) -> Summarise:
    """What calls read and change, as far as it is known of the callees."""

    def summary(call: Operation | TailCall) -> CallSummary:
        target = call.target if isinstance(call, TailCall) else call.inputs[0]
        callee = side.callees.get(target.offset) if target.space is Space.RAM else None
        if callee is None or callee.arguments is None:
            return _SOME_ARGUMENTS
        mask = cells_mask(name for name, _ in callee.arguments)
        return CallSummary(mask, CLOBBERED)

    return summary


def _values(name: SideName, side: Side, runs: Sequence[Trace]) -> dict[Label, tuple[Value, ...]]:
    """For the entry and each loop head: what relations may speak of there."""
    slots: set[tuple[int, int]] = set()
    for run in runs:
        slots |= run.slots
    function = side.function
    # What a call leaves in other registers than those of its results is nothing to speak of.
    live, written = _live(side), written_by(function.blocks, cells_mask(INTEGER_RETURNS))
    whole = [cell.name for cell in CELLS.values() if written & cell_mask(cell.name)]
    labels = (function.blocks[0].label, *(loop.head for loop in loops_of(function)))
    return {
        label: slot_values(name, slots) + cell_values(name, live[label] & cells_mask(whole))
        for label in labels
    }
