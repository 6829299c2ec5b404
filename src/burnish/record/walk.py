"""The order of execution along a trace: pieces of blocks, with calls and returns between recorded functions followed.

A trace has the blocks that a thread entered. What a block does behind a call comes after the blocks of the callee, if
that was recorded; a block that has called waits on a stack until then. Steps along edges are found with arrays; only
those that are calls and returns are looked at one by one.

Where code that was not recorded stands between (it calls a recorded function back, or leads there through the PLT), the
call from which it came is not known: the first that fits is taken, and a function that is called next is taken to be
called back where it was called back before. Frames that ``longjmp`` or an exception left behind
are dropped with the first block that goes on below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from burnish.core.recording import Ending
from burnish.record.layout import ANYWHERE, ELSEWHERE, Layout, Numbers
from burnish.record.observed import GAP
from burnish.record.trace import BLOCK_MARK, SITE_SHIFT, Records, blocks_of

_LEAVES = (Ending.RETURN, Ending.TAIL_CALL)
_BATCH = 1 << 15
"""Trace records that are worked on at a time: of some instructions each."""
UNKNOWN, WENT, STAYED = 0, 1, 2
"""What the last instruction of a segment did: it did not lead to the next segment, it did, or it did not jump."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Consecutive pieces of blocks, in the order of execution: pieces from ``first`` up to ``last`` of ``block``.
    ``event`` is the index, in what was fed, of the block that was entered last before it; ``inserted`` whether the
    segment goes on with an earlier block. ``how`` is what its last instruction did, ``following`` the block of its
    function that it went on to, or -1."""

    event: Numbers
    block: Numbers
    first: Numbers
    last: Numbers
    how: Numbers
    following: Numbers
    inserted: npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Waiting:
    """A block that called: the piece with which it goes on, the block with which the callee began, and whether its call
    led straight to that."""

    block: int
    piece: int
    callee: int
    direct: bool


_Row = list[int]
"""Event, block, first, last, how, following."""


@dataclass(slots=True)
class Walk:
    """Takes the blocks of a thread, in order and in parts of any size."""

    layout: Layout
    _stack: list[_Waiting] = field(default_factory=list["_Waiting"])

    def steps(self, blocks: Numbers) -> Segments:
        """What was executed from the first of ``blocks`` until the last was entered: the last is to be fed again."""
        here, there = blocks[:-1], blocks[1:]
        layout = self.layout
        taken = layout.taken[here] == there
        along = taken | (layout.other[here] == there)
        if len(layout.more):
            odd = np.flatnonzero(~along)
            along[odd] = np.isin(here[odd] << 32 | there[odd], layout.more)
        last = layout.pieces[here].copy()
        how = np.where(layout.branches[here] & ~taken, STAYED, WENT).astype(np.int64)
        following = there.astype(np.int64)
        added: list[_Row] = []
        for at in np.flatnonzero(~along).tolist():
            last[at], how[at] = self._odd(at, int(here[at]), int(there[at]), added)
            following[at] = -1
        event = np.arange(len(here))
        base = (event, here.astype(np.int64), np.zeros(len(here), np.int64), last, how, following)
        return _with(base, added)

    def lose(self) -> None:
        """Blocks were entered that were not written down: nobody waits any more, as far as is known."""
        self._stack.clear()

    def end(self, block: int, *, over: bool) -> Segments:
        """The last block that was entered. If the thread is ``over``, also what is left of those that wait for it,
        where it returned to them: they return as well. Where else it went is not known."""
        layout, stack = self.layout, self._stack
        if not over:
            self.lose()
        rows = [[0, block, 0, int(layout.pieces[block]), UNKNOWN, -1]]
        while layout.ending[block] is Ending.RETURN and stack and layout.ending[stack[-1].block] in _LEAVES:
            waiting = stack.pop()
            rows[-1][4] = WENT if waiting.direct else UNKNOWN
            block = waiting.block
            rows.append([0, block, waiting.piece, int(layout.pieces[block]), UNKNOWN, -1])
        return _with(tuple(np.array([number], np.int64) for number in rows[0]), rows[1:])

    def _odd(self, at: int, block: int, target: int, added: list[_Row]) -> tuple[int, int]:
        """A step that follows no edge: how many pieces of ``block`` were executed before, and what their last
        instruction did."""
        layout = self.layout
        pieces = int(layout.pieces[block])
        entry = bool(layout.entry[target])
        if entry:
            call = self._call(block, 0, target)
            if call >= 0:
                direct = layout.calls[block][call] != ELSEWHERE
                self._stack.append(_Waiting(block, call + 1, target, direct))
                return call + 1, WENT if direct else UNKNOWN
            if layout.ending[block] is Ending.TAIL_CALL and layout.tail.get(block) in (target, ANYWHERE):
                return pieces, WENT
        if layout.ending[block] not in _LEAVES and entry:
            self._stack.append(_Waiting(block, 0, target, False))  # a signal handler
            return 0, UNKNOWN
        returned = self._resume(at, target, added)
        return pieces, WENT if returned and layout.ending[block] is Ending.RETURN else UNKNOWN

    def _resume(self, at: int, target: int, added: list[_Row]) -> bool:
        """Goes on with the waiting block after which ``target`` was entered. True if its call led straight to what
        has just returned."""
        layout, stack = self.layout, self._stack
        finished: list[_Row] = []
        returning: _Row = [0] * 6  # what returns to the block that waits next; first, what has just returned
        first = returning
        kept = -1, 0
        for depth in range(len(stack) - 1, -1, -1):
            waiting = stack[depth]
            block, pieces = waiting.block, int(layout.pieces[waiting.block])
            rest = [at, block, waiting.piece, pieces, UNKNOWN, -1]
            answer = WENT if waiting.direct else UNKNOWN
            if layout.follows(block, target):
                stayed = layout.branches[block] and layout.taken[block] != target
                rest[4:] = STAYED if stayed else WENT, target
                kept = depth - 1, len(finished) + 1
            elif layout.entry[target] and self._again(waiting, target, rest):
                kept = depth, len(finished) + 1
            elif layout.ending[block] is Ending.TAIL_CALL and layout.tail.get(block) == target:
                rest[4] = WENT
                kept = depth - 1, len(finished) + 1
            elif layout.ending[block] in _LEAVES:
                returning[4] = answer
                finished.append(rest)
                returning = rest if layout.ending[block] is Ending.RETURN else [0] * 6
                continue
            elif layout.entry[target]:
                # A signal handler, or what ``longjmp`` has left behind: this block may yet go on.
                kept = depth, len(finished)
                break
            else:
                returning = [0] * 6
                continue
            returning[4] = answer
            finished.append(rest)
            break
        else:
            kept = -1, len(finished) if layout.entry[target] else 0
        del stack[kept[0] + 1 :]
        added += [row for row in finished[: kept[1]] if row[2] < row[3]]
        return first[4] == WENT

    def _again(self, waiting: _Waiting, target: int, rest: _Row) -> bool:
        """Whether a waiting block called ``target`` next; ``rest`` is then what it executed up to that call."""
        calls = self.layout.calls[waiting.block]
        call = next((k for k in range(waiting.piece, len(calls)) if calls[k] == target), -1)
        if call < 0 and not waiting.direct:
            # What it called may call back many times; another function than before rather comes after its return.
            stays = self.layout.ending[waiting.block] not in _LEAVES
            if target == waiting.callee or stays:
                waiting.callee = target
                rest[3] = rest[2]
                return True
        if call < 0:
            call = self._call(waiting.block, waiting.piece, target)
        if call < 0:
            return False
        waiting.piece, waiting.callee, waiting.direct = call + 1, target, calls[call] != ELSEWHERE
        rest[3:5] = call + 1, WENT if waiting.direct else UNKNOWN
        return True

    def _call(self, block: int, piece: int, target: int) -> int:
        """The call of a block, from ``piece`` on, that may have led to ``target``; -1 where there is none."""
        calls = self.layout.calls[block]
        for wanted in ((target,), (ANYWHERE, ELSEWHERE)):
            for call in range(piece, len(calls)):
                if calls[call] in wanted:
                    return call
        return -1


def _with(base: tuple[Numbers, ...], added: list[_Row]) -> Segments:
    inserted = np.zeros(len(base[0]), np.bool_)
    columns = list(base)
    if added:
        rows = np.array(added, np.int64).T
        places = rows[0] + 1
        columns = [np.insert(column, places, row) for column, row in zip(base, rows, strict=True)]
        inserted = np.insert(inserted, places, True)
    event, block, first, last, how, following = columns
    return Segments(event, block, first, last, how, following, inserted)


def walked(walk: Walk, chunks: Iterator[Records]) -> Iterator[tuple[Records, Segments]]:
    """What a thread executed, in parts: the records of each part, whose last block begins the next part, and what was
    executed meanwhile. The last part has one block, whatever follows it; so has the one before a gap."""
    rest: Records | None = None
    begins = walk.layout.starts[walk.layout.first_piece] < walk.layout.ends[walk.layout.first_piece]
    for run, gap in _runs(chunks):
        for start in range(0, len(run), _BATCH):
            part = run[start : start + _BATCH]
            rest = part if rest is None else np.concatenate([rest, part])
            at = _last_block(rest, begins)
            if at > 0:
                yield rest[: at + 1], walk.steps(blocks_of(rest[: at + 1]).astype(np.int64))
                rest = rest[at:]
        if gap:
            yield from _ended(walk, rest, over=False)
            rest = None
    yield from _ended(walk, rest, over=True)


def _ended(walk: Walk, rest: Records | None, *, over: bool) -> Iterator[tuple[Records, Segments]]:
    numbers = np.zeros(0, np.int64) if rest is None else blocks_of(rest).astype(np.int64)
    if rest is None or not len(numbers):
        walk.lose()
        return
    at = _last_block(rest, np.ones(len(walk.layout.pieces), np.bool_))
    if at > 0:
        yield rest[: at + 1], walk.steps(numbers)
    yield rest[at:], walk.end(int(numbers[-1]), over=over)


def _runs(chunks: Iterator[Records]) -> Iterator[tuple[Records, bool]]:
    """Records without gaps between them, from a block on, and whether a gap follows."""
    fresh = True
    for chunk in chunks:
        words = chunk.dtype == np.uint64
        marks = np.flatnonzero(chunk >> SITE_SHIFT == BLOCK_MARK) if words else np.arange(len(chunk))
        gaps = marks[blocks_of(chunk) == GAP]
        start = 0
        for end in (*gaps.tolist(), len(chunk)):
            if fresh:
                # Accesses behind a gap are of a block that is not known.
                first = int(np.searchsorted(marks, start))
                start = int(marks[first]) if first < len(marks) else len(chunk)
            yield chunk[start : max(start, end)], end < len(chunk)
            fresh = end < len(chunk) or (fresh and start >= end)
            start = end + 1


def _last_block(records: Records, begins: npt.NDArray[np.bool_]) -> int:
    """Where the last block stands that begins with an instruction of its own, among ``begins``; -1 for none."""
    blocks = records
    places = np.arange(len(records))
    if records.dtype == np.uint64:
        places = np.flatnonzero(records >> SITE_SHIFT == BLOCK_MARK)
        blocks = blocks_of(records)
    places = places[begins[blocks]]
    return int(places[-1]) if len(places) else -1
