"""Branches of a trace: which way each went, with calls and returns between recorded functions put aside.

A trace has the blocks that a thread entered. Where a block calls another recorded function, that function's blocks
stand between it and the block that it goes on to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish.core.recording import Ending
from burnish.record.observed import GAP

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Transfers:
    """Jumps in the order in which they were made. ``sources`` and ``targets`` are block numbers."""

    sources: Numbers
    targets: Numbers


def transfers(trace: npt.NDArray[np.uint32], blocks: Any, edges: Any) -> Transfers:
    """The ways from block to block within functions that a trace took, as far as both ends are in it. ``blocks`` and
    ``edges`` are the tables of the recording."""
    here, there = trace[:-1].astype(np.int64), trace[1:].astype(np.int64)
    known = _edge_keys(edges)
    along = np.isin(here << 32 | there, known)
    sources = here.copy()
    odd = np.flatnonzero(~along)
    if len(odd):
        _through_calls(odd, here, there, sources, along, blocks, frozenset(known.tolist()))
    return Transfers(sources[along], there[along])


def steps_along_edges(trace: npt.NDArray[np.uint32], edges: Any) -> npt.NDArray[np.bool_]:
    """For each step of a trace from block to block, whether it follows an edge of the table ``edges``."""
    here, there = trace[:-1].astype(np.int64), trace[1:].astype(np.int64)
    return np.isin(here << 32 | there, _edge_keys(edges))


def _edge_keys(edges: Any) -> Numbers:
    source = edges.column("source").to_numpy().astype(np.int64)
    return np.unique(source << 32 | edges.column("target").to_numpy().astype(np.int64))


def _through_calls(
    odd: npt.NDArray[np.intp],
    here: Numbers,
    there: Numbers,
    sources: Numbers,
    along: npt.NDArray[np.bool_],
    blocks: Any,
    known: frozenset[int],
) -> None:
    """Steps that follow no edge are calls and returns. A block that has called something waits on a stack; when a
    block that returns is followed by one that it may go on to, it went on. ``sources`` and ``along`` are corrected."""
    ending = dict(zip(blocks.column("block").to_pylist(), blocks.column("ending").to_pylist(), strict=True))
    leaves = {Ending.RETURN.value, Ending.TAIL_CALL.value, Ending.STOPS.value}
    waiting: list[int] = []
    for index in odd.tolist():
        block, following = int(here[index]), int(there[index])
        if GAP in (block, following):
            waiting.clear()
            continue
        if ending[block] not in leaves:
            waiting.append(block)
            continue
        if ending[block] == Ending.TAIL_CALL.value:
            continue
        # What a longjmp or an exit left behind is dropped with the first block that can go on.
        for depth in range(len(waiting) - 1, -1, -1):
            if waiting[depth] << 32 | following in known:
                sources[index] = waiting[depth]
                along[index] = True
                del waiting[depth:]
                break
