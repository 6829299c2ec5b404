"""Samples of a pair of cuts that are no runs: random states that satisfy all that is known of the way there, and
solvers' models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.domains.smt.build import eq, select
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.evaluate_many import Array
from burnish.domains.smt.terms import Term
from burnish.machine.registers import CELLS
from burnish.verify.engine.compare import PROBE, Views
from burnish.verify.engine.state import ENTRY_MEMORY, State, depth
from burnish.verify.loops.candidates import slot_values
from burnish.verify.loops.guesses import Guesses
from burnish.verify.loops.symbolic import value_term
from burnish.verify.loops.values import FRAME, Sample, Side, Value, Visit
from burnish.verify.solve.query import Model


def known_slots(side: Side, state: State) -> tuple[Value, ...]:
    """What a state is known to hold in its frame."""
    bottom = depth(state)
    known = [(offset, value.width // 8) for offset, value in state.cells.items() if bottom <= offset < 0]
    return slot_values(side, known)


def made_up(
    halves: Sequence[Value], shown: Sequence[Term], guesses: Guesses, most: int, broken: Sequence[Array] = ()
) -> list[Sample]:
    """Up to ``most`` samples from the states of ``guesses``, in which ``halves`` are what the terms ``shown`` say; with
    ``broken``, truths in those states, of states in which one of them is false: each of them in some, as far as
    ``most`` allows. None where a term cannot be computed."""
    if not guesses.count or most <= 0:
        return []
    rows = list(range(0, guesses.count, -(-guesses.count // most)))
    if broken:
        # One that breaks each, then any.
        first = [int(np.argmin(truth)) for truth in broken]
        rest = np.flatnonzero(np.logical_or.reduce([truth == 0 for truth in broken])).tolist()
        rows = list(dict.fromkeys((*first, *rest)))[:most]
    numbers = [array for array in guesses.numbers(shown) if array is not None]
    return [_row(halves, numbers, k) for k in rows] if len(numbers) == len(shown) else []


def _row(halves: Sequence[Value], numbers: Sequence[Array], index: int) -> Sample:
    """One random state as a sample. What is known of memory is only that it changed."""
    cells: dict[str, dict[str, int]] = {"e": {}, "a": {}, "b": {}}
    frames: dict[str, dict[int, int]] = {"e": {}, "a": {}, "b": {}}
    for value, array in zip(halves, numbers, strict=True):
        number = int(array[index])
        if value.cell == FRAME:
            frames[value.side] |= {value.offset + k: number >> 8 * k & 0xFF for k in range(value.size)}
        else:
            known = cells[value.side]
            known[value.cell] = known.get(value.cell, 0) | number << 8 * value.offset
    visits = {side: Visit(None, cells[side], frames[side], int(side != "e")) for side in ("e", "a", "b")}
    return Sample(visits["e"], visits["a"], visits["b"])


def sample_of(model: Model, values: Sequence[Value], states: tuple[State, State], views: Views) -> Sample:
    """What a solver's model makes of ``values`` in two states."""
    number = {v: evaluate([value_term(v, *states, views)], model)[0] for v in values if v.side == "e"}
    entry = Visit(None, {value.cell: one for value, one in number.items()}, {}, 0)
    a, b = (_visit(side, model, values, states, views) for side in ("a", "b"))
    return Sample(entry, a, b, model)


def _visit(
    side: Side, model: Model, values: Sequence[Value], states: tuple[State, State], views: Views
) -> Visit:
    def number(value: Value) -> int:
        return evaluate([value_term(value, *states, views)], model)[0]

    own = [value for value in values if value.side == side]
    names = {value.cell: value.word for value in own if value.cell != FRAME}
    cells = {
        cell: number(Value(side, cell, 0, 8 if word else CELLS[cell].size)) for cell, word in names.items()
    }
    frame: dict[int, int] = {}
    for value in own:
        if value.cell == FRAME:
            held = number(value)
            frame |= {value.offset + k: held >> 8 * k & 0xFF for k in range(value.size)}
    memory = states[0 if side == "a" else 1].memory
    (same,) = evaluate([eq(select(memory, PROBE), select(ENTRY_MEMORY, PROBE))], model)
    return Visit(None, cells, frame, 1 - same)


def variables_of(sample: Sample) -> dict[str, int]:
    """A sample as values of the variables that a round begins with (``symbolic.related_states``)."""
    variables = dict(sample.entry.cells)
    for side, visit in (("a", sample.a), ("b", sample.b)):
        variables |= {f"{side}:{name}": number for name, number in visit.cells.items()}
        variables |= {
            f"{side}:frame {offset}": sum(visit.frame.get(offset + k, 0) << 8 * k for k in range(8))
            for offset in visit.frame
        }
    return variables
