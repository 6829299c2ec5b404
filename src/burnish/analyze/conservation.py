"""Counts that follow from others: what flows into a block is what flows out of it (Kirchhoff's law; Knuth 1971)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from burnish.core.code import Label
from burnish.core.recording import Edge

Counted = dict[Label, "int | None"]
CountedEdges = dict[Edge, "int | None"]


@dataclass(frozen=True, slots=True)
class _Calls:
    """Ways into a function from outside."""


_Variable = Label | Edge | _Calls


def complete(
    entry: Label, blocks: Counted, edges: CountedEdges, conserving: Iterable[Label], calls: int | None
) -> None:
    """Fill in counts of ``blocks`` and ``edges`` that are None and follow from the others; what does not follow stays
    None. A block is entered as often as the edges to it are taken together, the ``entry`` also by ``calls`` (None: not
    known). Blocks in ``conserving`` are also left by their edges as often as they are entered. Counts that contradict
    each other, as sampled ones do, never make a negative one.
    """
    values: dict[_Variable, int | None] = {**blocks, **edges, _Calls(): calls}
    into: dict[Label, list[_Variable]] = {label: [] for label in blocks}
    out: dict[Label, list[_Variable]] = {label: [] for label in blocks}
    for edge in edges:
        into[edge.target].append(edge)
        out[edge.source].append(edge)
    into[entry].append(_Calls())
    sums: list[tuple[_Variable, list[_Variable]]] = list(into.items())  # pyright: ignore[reportAssignmentType]
    sums += [(label, out[label]) for label in conserving if out[label]]
    while sums:
        rest = [(total, parts) for total, parts in sums if not _solve(values, total, parts)]
        if len(rest) == len(sums):
            break
        sums = rest
    blocks.update({label: values[label] for label in blocks})
    edges.update({edge: values[edge] for edge in edges})


def _solve(values: dict[_Variable, int | None], total: _Variable, parts: list[_Variable]) -> bool:
    """Fill in the one that is missing in ``total`` = the sum of ``parts``. False while more are."""
    whole = values[total]
    missing = [part for part in parts if values[part] is None]
    known = sum(values[part] or 0 for part in parts)
    match (whole, missing):
        case (None, []):
            values[total] = known
        case (int(), [part]):
            values[part] = max(0, whole - known)
        case (int(), []):
            pass
        case _:
            return False
    return True
