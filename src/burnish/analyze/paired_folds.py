"""A minimum or maximum together with where it was: two values that one comparison replaces in the same rounds.

Each alone is no reduction, since the comparison reads the first and decides the second. As a pair they are one, of
which partial results are joined by the same comparison, in order: of equal ones the first stays, or the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from burnish.analyze.folds import LAST, Fold
from burnish.analyze.loop_values import By
from burnish.analyze.values import Kind, Node
from burnish.core.pcode import OpCode
from burnish.core.superblocks import Recurrence

if TYPE_CHECKING:
    from burnish.analyze.recurrence_kinds import Cycle, LoopKinds

_EXTREMES = ("max", "min", "umax", "umin")


def paired(kinds: LoopKinds, fold_of: Callable[[Cycle], Fold | None]) -> None:
    """Make reductions of the pairs among a loop's cycles. ``fold_of`` says what a cycle would fold by if nothing else
    read it."""
    for place, cycle in enumerate(kinds.cycles):
        if cycle.kind not in (Recurrence.SERIAL, Recurrence.PREDICTABLE):
            continue
        followers = [
            k
            for k, other in enumerate(kinds.cycles)
            if other.fold is not None and other.fold.operator == LAST and _alike(kinds, cycle, other)
        ]
        together = cycle.nodes.union(*(kinds.cycles[k].nodes for k in followers))
        if not followers or kinds.is_used(together):
            continue
        fold = fold_of(cycle)
        if fold is None or fold.operator not in _EXTREMES or fold.packed:
            continue
        kinds.cycles[place] = replace(cycle, kind=Recurrence.REDUCTION, fold=fold)
        for k in followers:
            made = Fold(f"arg{fold.operator}", False, fold.floating)
            kinds.cycles[k] = replace(kinds.cycles[k], fold=made, decided_by=cycle.roots)


def _alike(kinds: LoopKinds, one: Cycle, other: Cycle) -> bool:
    """Whether both take another value in the same rounds: at the same joins of branches, or by selections on one
    condition."""
    first, second = _choices(kinds, one.nodes), _choices(kinds, other.nodes)
    return first is not None and first == second and bool(first) and _apart(kinds, one.nodes, other.nodes)


def _apart(kinds: LoopKinds, nodes: frozenset[Node], others: frozenset[Node]) -> bool:
    """Whether no value that the second cycle takes is computed from the first: the largest but one is, say."""
    work: list[Node] = []
    for node in others:
        selects = node.kind is Kind.OPERATION and node.opcode is OpCode.SELECT
        arguments = kinds.loop.kept_arguments(node) if node.kind is Kind.PHI else node.arguments[selects:]
        work += [argument for argument in arguments if argument not in others]
    seen = set(work)
    while work:
        node = work.pop()
        if node in nodes:
            return False
        for need in kinds.loop.into.get(node, ()):
            if need.source not in seen:
                seen.add(need.source)
                work.append(need.source)
    return True


def _choices(kinds: LoopKinds, nodes: frozenset[Node]) -> set[tuple[object, ...]] | None:
    """Where values of a cycle are replaced: each join with the ways by which they stay, each selection with its
    condition and the side that stays. None where there is anything else."""
    found: set[tuple[object, ...]] = set()
    for node in nodes:
        if node.kind is Kind.PHI:
            stays = _inside(kinds.loop.kept_arguments(node), nodes)
            chosen = any(need.by is By.CHOICE for need in kinds.loop.into[node])
            if chosen or not all(stays):
                found.add((node.block, *stays))
        elif node.kind is Kind.OPERATION and node.opcode is OpCode.SELECT:
            stays = _inside(node.arguments[1:], nodes)
            if sum(stays) != 1:
                return None
            found.add((kinds.numbers[node.arguments[0]], *stays))
        elif node.kind is not Kind.OPERATION:
            return None
    return found


def _inside(arguments: Iterable[Node], nodes: frozenset[Node]) -> Sequence[bool]:
    return [argument in nodes for argument in arguments]
