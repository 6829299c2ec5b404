"""The calls that a thread made, rebuilt from its trace.

As in ``record.walk``, a step from block to block that follows no edge is a call or a return: a block that has
called something waits until a block that it may go on to follows a return. Calls between recorded functions are exact,
those that go through other code included, but for two things that a trace does not tell: whether a function that is
entered right after a block with ``call …; ret`` was called by it is decided by what the block calls, and a function
that is left by ``longjmp`` or an exception ends where a caller of it goes on.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from burnish.core.recording import Ending
from burnish.machine.disassemble import disassemble
from burnish.record.observed import GAP
from burnish.record.store import Recording

Numbers = npt.NDArray[np.int64]
MOST_FRAMES = 250
"""Depth of a path that is told apart; what is called deeper counts as its caller."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls in the order in which they began, as columns: number of the function, positions in the trace where it began
    and behind its last block, depth (0 for what nothing recorded called), and path.

    ``paths`` are the different ways to call functions, each as the path of the caller (-1: none) and a function; a
    caller's path comes first. ``weights`` are the instructions executed before each position of the trace. ``too_deep``
    counts calls that are deeper than ``MOST_FRAMES`` and have their caller's path.
    """

    functions: Numbers
    begins: Numbers
    ends: Numbers
    depths: Numbers
    path_of: Numbers
    paths: tuple[tuple[int, int], ...]
    weights: Numbers
    too_deep: int
    gaps: int
    """Gaps of the trace, where all calls that are open end."""

    @property
    def instructions(self) -> Numbers:
        """Instructions executed in each call, its callees' included."""
        return self.weights[self.ends] - self.weights[self.begins]

    def path_totals(self) -> Numbers:
        """Instructions executed on each path, with those of the paths that go on from it."""
        totals = np.zeros(len(self.paths), np.int64)
        outermost = self.depths < MOST_FRAMES
        np.add.at(totals, self.path_of[outermost], self.instructions[outermost])
        return totals


class Code:
    """What blocks of a recording are: whose, where functions begin, what blocks call at the end of a function."""

    def __init__(self, recording: Recording) -> None:
        blocks: list[dict[str, Any]] = recording.blocks.to_pylist()
        functions: list[dict[str, Any]] = recording.functions.to_pylist()
        size = max((row["block"] for row in blocks), default=-1) + 1
        self.instructions = np.zeros(size, np.int64)
        self.owner = [0] * size
        self.ending = [Ending.STOPS] * size
        starts = {row["function"]: row["address"] for row in functions}
        self.entries: dict[int, int] = {}
        for row in blocks:
            self.instructions[row["block"]] = row["instructions"]
            self.owner[row["block"]] = row["function"]
            self.ending[row["block"]] = Ending(row["ending"])
            if row["part"] == 0 and row["address"] == starts[row["function"]]:
                self.entries[row["block"]] = row["function"]
        self.edges = recording.edges
        pairs = zip(*(self.edges.column(name).to_pylist() for name in ("source", "target")), strict=True)
        self.ways = frozenset(pairs)
        self._leaving = [row for row in blocks if row["ending"] == Ending.RETURN.value]
        self._functions = functions
        self._calls: Mapping[int, tuple[Outgoing, ...]] | None = None

    def next_call(self, block: int, after: int, function: int) -> int | None:
        """How many of the calls of a block that returns have been made when it calls ``function``, after ``after`` of
        them have been; None where none that is left can be that call."""
        if self._calls is None:
            self._calls = outgoing_calls(self._functions, self._leaving)
        found = self._calls.get(block, ())
        for index in range(after, len(found)):
            call = found[index]
            if call.targets is None or function in call.targets:
                return index if call.repeats else index + 1
        return None


class Outgoing(NamedTuple):
    """A call instruction: the recorded functions that may follow it, None for any; and whether several may, one after
    another, because it calls code that is not recorded."""

    targets: frozenset[int] | None
    repeats: bool


def outgoing_calls(
    functions: Sequence[Mapping[str, Any]], blocks: Sequence[Mapping[str, Any]]
) -> Mapping[int, tuple[Outgoing, ...]]:
    """The call instructions of ``blocks``, by block; both are rows of a recording's tables, ``functions`` all of it."""
    by_place = {(row["image"], row["address"]): row["function"] for row in functions}
    rows = {row["function"]: row for row in functions}
    found: dict[int, list[tuple[int, Outgoing]]] = {}
    for number in {row["function"] for row in blocks}:
        own = rows[number]
        lines = disassemble(own["code"], own["address"])
        named = (by_place.get((own["image"], line.target)) for line in lines if not _is_call(line.raw))
        # What it gives to other code as a pointer, that may call.
        given = frozenset(function for function in named if function not in (None, number))
        found[number] = [
            (line.address, _outgoing(line.raw, by_place.get((own["image"], line.target)), given))
            for line in lines
            if _is_call(line.raw)
        ]
    return {
        row["block"]: tuple(
            call for at, call in found[row["function"]] if row["address"] <= at < row["address"] + row["size"]
        )
        for row in blocks
    }


def _plain(raw: bytes) -> bytes:
    """An instruction without prefixes."""
    return raw.lstrip(b"\x2e\x3e\x66\xf2\xf3\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49")


def _is_call(raw: bytes) -> bool:
    code = _plain(raw)
    return code[:1] == b"\xe8" or (code[:1] == b"\xff" and len(code) > 1 and code[1] >> 3 & 7 == 2)


def _outgoing(raw: bytes, target: int | None, given: frozenset[int]) -> Outgoing:
    """A call of the recorded function ``target``, or of something else that is given pointers to ``given``."""
    code = _plain(raw)
    if code[0] == 0xE8:
        return (
            Outgoing(given, repeats=True) if target is None else Outgoing(frozenset({target}), repeats=False)
        )
    # Through a table that the loader fills it leads elsewhere.
    return Outgoing(given, repeats=True) if code[1] & 0xC7 == 0x05 else Outgoing(None, repeats=False)


def calls(trace: npt.NDArray[np.uint32], code: Code) -> Calls:
    """The calls in a thread's trace."""
    made = _Made(code)
    if len(trace):
        if trace[0] != GAP:
            made.open(code.owner[int(trace[0])], 0)
        odd = np.flatnonzero(~steps_along_edges(trace, code.edges))
        steps = zip(odd.tolist(), trace[odd].tolist(), trace[odd + 1].tolist(), strict=True)
        for index, block, following in steps:
            made.step(index + 1, block, following)
        made.close_to(0, len(trace))
    weights = np.zeros(len(trace) + 1, np.int64)
    gaps = trace == GAP
    np.cumsum(np.where(gaps, 0, code.instructions[np.where(gaps, 0, trace)]), out=weights[1:])
    return Calls(
        np.array(made.functions, np.int64),
        np.array(made.begins, np.int64),
        np.array(made.ends, np.int64),
        np.array(made.depths, np.int64),
        np.array(made.path_of, np.int64),
        tuple(made.paths),
        weights,
        made.too_deep,
        int(gaps.sum()),
    )


class _Made:
    """Calls being rebuilt. ``_open`` has the calls that have not ended, outermost first; ``_waiting`` the block that
    each but the last one made its call from, and ``_made`` how many of the block's calls have been made, where it is
    one that returns."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._open: list[int] = []
        self._waiting: list[int] = []
        self._made: list[int] = []
        self.functions, self.begins, self.ends = array("q"), array("q"), array("q")
        self.depths, self.path_of = array("q"), array("q")
        self.paths: dict[tuple[int, int], int] = {}
        self.too_deep = 0

    def open(self, function: int, position: int) -> None:
        """A function begins."""
        depth = len(self._open)
        caller = self.path_of[self._open[-1]] if self._open else -1
        if depth < MOST_FRAMES:
            path = self.paths.setdefault((caller, function), len(self.paths))
        else:
            self.too_deep += 1
            path = caller
        self._open.append(len(self.functions))
        self.functions.append(function)
        self.begins.append(position)
        self.ends.append(-1)
        self.depths.append(depth)
        self.path_of.append(path)

    def close_to(self, depth: int, position: int) -> None:
        """All calls but the ``depth`` outermost ones end."""
        while len(self._open) > depth:
            self.ends[self._open.pop()] = position
        del self._waiting[max(0, depth - 1) :], self._made[max(0, depth - 1) :]

    def step(self, position: int, block: int, following: int) -> None:
        """``following``, at ``position`` of the trace, came after ``block`` and not along an edge."""
        code = self._code
        if following == GAP:
            self.close_to(0, position)
            return
        if block == GAP:
            self.open(code.owner[following], position)
            return
        entered = code.entries.get(following)
        match code.ending[block]:
            case Ending.RETURN | Ending.STOPS:
                if self._goes_on(position, following):
                    return
                if entered is None:
                    self._astray(position, following)
                elif (made := code.next_call(block, 0, entered)) is not None:
                    self._call(position, block, entered, made)
                else:
                    self._beside(position, entered)
            case Ending.TAIL_CALL:
                if entered is not None:
                    self._instead(position, len(self._open) - 1, entered)
                elif not self._goes_on(position, following):
                    self._astray(position, following)
            case _:
                if entered is not None:
                    self._call(position, block, entered)
                elif not self._goes_on(position, following):
                    self._astray(position, following)

    def _call(self, position: int, block: int, function: int, made: int = 0) -> None:
        self._waiting.append(block)
        self._made.append(made)
        self.open(function, position)

    def _goes_on(self, position: int, following: int) -> bool:
        """True if a block that waits may be followed by that one: then all that it called has ended."""
        for depth in range(len(self._waiting) - 1, -1, -1):
            if (self._waiting[depth], following) in self._code.ways:
                self.close_to(depth + 1, position)
                return True
        return False

    def _beside(self, position: int, function: int) -> None:
        """A function ended, and another one begins that the same caller has called; or a caller of that one, where the
        caller itself has ended."""
        depth = len(self._open) - 1
        code = self._code
        while depth and code.ending[self._waiting[depth - 1]] is Ending.RETURN:
            made = code.next_call(self._waiting[depth - 1], self._made[depth - 1], function)
            if made is not None:
                self._made[depth - 1] = made
                break
            depth -= 1
        self._instead(position, depth, function)

    def _instead(self, position: int, depth: int, function: int) -> None:
        """All calls but the ``depth`` outermost ones end, and the innermost of those goes on waiting, for another."""
        waiting, made = self._waiting[:depth], self._made[:depth]
        self.close_to(depth, position)
        self._waiting, self._made = waiting, made
        self.open(function, position)

    def _astray(self, position: int, following: int) -> None:
        """Control got into the middle of a function: by ``longjmp``, an exception, or after records were lost."""
        function = self._code.owner[following]
        for depth in range(len(self._open) - 1, -1, -1):
            if self.functions[self._open[depth]] == function:
                self.close_to(depth + 1, position)
                return
        self.close_to(0, position)
        self.open(function, position)


def steps_along_edges(trace: npt.NDArray[np.uint32], edges: Any) -> npt.NDArray[np.bool_]:
    """For each step of a trace from block to block, whether it follows an edge of the table ``edges``."""
    here, there = trace[:-1].astype(np.int64), trace[1:].astype(np.int64)
    source = edges.column("source").to_numpy().astype(np.int64)
    known = np.unique(source << 32 | edges.column("target").to_numpy().astype(np.int64))
    return np.isin(here << 32 | there, known)
