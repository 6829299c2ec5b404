"""Proofs of functions with loops: aligned on runs, related, and checked by induction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from burnish.core.code import Function, Label
from burnish.core.pcode import OpCode
from burnish.core.state import MachineState
from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.machine.registers import CELLS
from burnish.recompile.bits import cell_mask, cells_mask, varnode_mask
from burnish.recompile.calls import UNKNOWN
from burnish.recompile.liveness import liveness
from burnish.verify.engine.addresses import UndecidedAccessError
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.joint import NotProvedError, Proof, Solves
from burnish.verify.loops.align import Aligner, Alignment, Node
from burnish.verify.loops.candidates import PRESERVED, cell_values, entry_values, slot_values, untouched
from burnish.verify.loops.heads import Irreducible, Loop, natural_loops
from burnish.verify.loops.invariants import Invariants, check, cuts_of
from burnish.verify.loops.product import RoundProver
from burnish.verify.loops.relations import Computed
from burnish.verify.loops.search import Search
from burnish.verify.loops.traces import Trace, both_traces
from burnish.verify.loops.unroll import prove_unrolled
from burnish.verify.loops.values import Side, Value
from burnish.verify.pair import Pair

_ALIGNMENTS = 8
_SHARE = 0.7
"""Of the time, what induction may take where unrolling is the other way."""
_FEWEST_RUNS = 3


def prove_loops(
    pair: Pair,
    solver: Solves,
    deadline: float,
    states: Sequence[MachineState],
    assumed: Sequence[Term] = (),
    bound: int = 0,
) -> Proof:
    """A proof without a bound; else, with a ``bound``, what unrolling gives; else ``Unknown`` with the reason of the
    likeliest attempt.

    ``states`` are inputs from which both sides are run; those from which both return count. ``assumed`` are conditions
    on the entry state; ``deadline`` is on ``time.monotonic``.
    """
    now = time.monotonic()
    limit = now + _SHARE * (deadline - now) if bound else deadline
    proof = _prove_inductively(pair, solver, limit, states, assumed)
    if isinstance(proof.verdict, Proved) or not bound:
        return proof
    unrolled = prove_unrolled(pair, solver, deadline, bound, assumed)
    total = proof.queries + unrolled.queries
    if isinstance(unrolled.verdict, Unknown):
        # A model counts as a suspicion only where it is one of the entry state.
        return replace(proof, model=unrolled.model, queries=total)
    assert isinstance(proof.verdict, Unknown)
    method = (
        unrolled.method
        if isinstance(unrolled.verdict, Proved)
        else f"{unrolled.method}; {proof.verdict.reason}"
    )
    return replace(unrolled, queries=total, method=method)


def _prove_inductively(
    pair: Pair,
    solver: Solves,
    deadline: float,
    states: Sequence[MachineState],
    assumed: Sequence[Term],
) -> Proof:
    queries = 0
    first: Proof | None = None
    try:
        cuts = cuts_of(pair)
        for alignment, values in islice(_alignments(pair, cuts, states, deadline), _ALIGNMENTS):
            if time.monotonic() > deadline:
                break
            proof = _attempt(pair, solver, deadline, assumed, alignment, values, cuts)
            queries += proof.queries
            if isinstance(proof.verdict, Proved):
                return proof
            first = first or replace(proof, model=None)
    except NotProvedError as error:
        return Proof(Unknown(str(error)), None, queries)
    except ValueError as error:  # runs do not know what callees do
        return Proof(Unknown(f"its loops cannot be run: {error}"), None, queries)
    return first or Proof(Unknown("no runs of the loops are known from which to learn"), None, queries)


def _attempt(
    pair: Pair,
    solver: Solves,
    deadline: float,
    assumed: Sequence[Term],
    alignment: Alignment,
    values: dict[Node, tuple[Value, ...]],
    cuts: tuple[frozenset[Label], frozenset[Label]],
) -> Proof:
    prover = RoundProver(pair, solver, deadline, assumed, cuts=cuts, steps=alignment.steps)
    try:
        invariants: Invariants = Search(prover, alignment, values, _untouched(pair)).run()
    except NotProvedError as error:
        return Proof(Unknown(str(error)), error.model, prover.queries)
    except (UnmodelledError, UndecidedAccessError, MeaninglessError) as error:
        return Proof(Unknown(str(error)), None, prover.queries)
    proof = check(pair, solver, deadline, invariants, assumed)
    return replace(proof, queries=proof.queries + prover.queries)


def _alignments(
    pair: Pair,
    cuts: tuple[frozenset[Label], frozenset[Label]],
    states: Sequence[MachineState],
    deadline: float,
) -> Iterator[tuple[Alignment, dict[Node, tuple[Value, ...]]]]:
    """Alignments, likeliest first, each with the values that its relations may speak of."""
    functions = pair.original.function, pair.rewrite.function
    runs = both_traces(functions, cuts, states, deadline)
    if len(runs) < _FEWEST_RUNS:
        return
    at_a = _values("a", functions[0], [a for a, _ in runs])
    at_b = _values("b", functions[1], [b for _, b in runs])
    written = _written(functions[0]) | _written(functions[1])
    live = [_live(function)[function.blocks[0].label] for function in functions]
    entry = entry_values((live[0] | live[1]) & ~cells_mask(PRESERVED), written)
    aligner = Aligner(runs, _loops(functions[0]), _loops(functions[1]), at_a, at_b, entry)
    starts = [function.blocks[0].label for function in functions]
    for alignment in aligner.alignments():
        yield (
            alignment,
            {node: entry + at_a[node.a or starts[0]] + at_b[node.b or starts[1]] for node in alignment.nodes},
        )


def _untouched(pair: Pair) -> tuple[Computed, ...]:
    return untouched("a", _written(pair.original.function)) + untouched("b", _written(pair.rewrite.function))


def _loops(function: Function) -> tuple[Loop, ...]:
    loops = natural_loops(function)
    assert not isinstance(loops, Irreducible)
    return loops


def _live(function: Function) -> dict[Label, int]:
    return liveness(function, lambda _: UNKNOWN).live_in


def _written(function: Function) -> int:
    """Register bytes that some operation changes, or may change in a call; the stack pointer always."""
    mask = cells_mask(("rsp",))
    for block in function.blocks:
        for operation in block.operations:
            if operation.opcode in (OpCode.CALL, OpCode.CALLIND):
                mask |= UNKNOWN.clobbers
            elif operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS):
                mask |= cells_mask(("rdi", "rsi", "rcx"))
            elif operation.output is not None:
                mask |= varnode_mask(operation.output)
    return mask


def _values(side: Side, function: Function, runs: Sequence[Trace]) -> dict[Label, tuple[Value, ...]]:
    """For the entry and each loop head: what relations may speak of there."""
    slots: set[tuple[int, int]] = set()
    for run in runs:
        slots |= run.slots
    live, written = _live(function), _written(function)
    whole = [cell.name for cell in CELLS.values() if written & cell_mask(cell.name)]
    labels = (function.blocks[0].label, *(loop.head for loop in _loops(function)))
    return {
        label: slot_values(side, slots) + cell_values(side, live[label] & cells_mask(whole))
        for label in labels
    }
