"""A recording's blocks as arrays: what a walk along a trace must know of each, by its number.

A block is cut behind each of its calls into *pieces*, since what a recorded callee did stands between them in the order
of execution. Instructions of all blocks stand in one table, block after block; a piece is a range of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish.core.errors import RecordingError
from burnish.core.recording import EdgeKind, Ending
from burnish.machine.register_use import RegisterUse, Transfer, register_use
from burnish.record.code import pieces
from burnish.record.store import Recording

Numbers = npt.NDArray[np.int64]
IMAGE_SHIFT = 40
"""Addresses of the n-th image (from 0) are given with n in the bits from here on, so that none is two places."""
ANYWHERE, ELSEWHERE = -1, -2
"""Where a call goes that is indirect; and one that goes to code that was not recorded."""
_CALLS = (Transfer.CALL, Transfer.INDIRECT_CALL)
_JUMPS = (Transfer.JUMP, Transfer.INDIRECT_JUMP)


@dataclass(frozen=True, slots=True)
class Layout:
    """By block: ``taken`` and ``other`` are blocks that it can go on to (-1: none), further ones are in ``more``
    (source and target in one number); ``ending`` is how it ends, ``branches`` whether that is a branch, ``entry``
    whether a function begins with it; ``calls`` says where each of its calls goes (a block, ``ANYWHERE`` or
    ``ELSEWHERE``), and ``tail`` where its last jump does. Its pieces are ``first_piece`` and those that follow,
    ``pieces`` in all, each a range of rows from ``starts`` to ``ends``. By row: the ``instructions``, their
    ``addresses`` with the image in them, and the values of their ``transfers``."""

    taken: Numbers
    other: Numbers
    more: Numbers
    ending: tuple[Ending, ...]
    branches: npt.NDArray[np.bool_]
    entry: npt.NDArray[np.bool_]
    calls: tuple[tuple[int, ...], ...]
    tail: Mapping[int, int]
    first_piece: Numbers
    pieces: Numbers
    starts: Numbers
    ends: Numbers
    instructions: tuple[RegisterUse, ...]
    addresses: npt.NDArray[np.uint64]
    transfers: npt.NDArray[np.uint8]

    def last_rows(self, blocks: Numbers) -> Numbers:
        """The row of the instruction with which each of ``blocks`` ends; -1 where that is no instruction of its own."""
        last = self.first_piece[blocks] + self.pieces[blocks] - 1
        return np.where(self.ends[last] > self.starts[last], self.ends[last] - 1, -1)

    def follows(self, block: int, target: int) -> bool:
        """Whether ``block`` can go on to ``target`` within its function."""
        if target in (self.taken[block], self.other[block]):
            return True
        key = block << 32 | target
        at = int(np.searchsorted(self.more, key))
        return at < len(self.more) and int(self.more[at]) == key


def layout(recording: Recording) -> Layout:
    """The blocks of a recording. Raises ``RecordingError`` where its code does not have the blocks' instructions."""
    code: dict[int, dict[int, RegisterUse]] = {}
    images: dict[int, int] = {}
    for piece in pieces(recording):
        images[piece.function] = piece.image
        known = code.setdefault(piece.function, {})
        known |= {line.address: line for line in register_use(piece.code, piece.address)}
    begins: dict[int, int] = {row["function"]: row["address"] for row in recording.functions.to_pylist()}
    rows: list[dict[str, Any]] = recording.blocks.to_pylist()
    size = max((row["block"] for row in rows), default=-1) + 1
    entries = {
        (images[row["function"]], row["address"]): row["block"]
        for row in rows
        if row["address"] == begins[row["function"]] and row["part"] == 0
    }
    table = _Table(size)
    for row in rows:
        lines = _lines(recording, row, code[row["function"]])
        table.add(row, lines, images[row["function"]], entries)
    taken, other, more = _successors(recording, size)
    return Layout(
        taken,
        other,
        more,
        tuple(table.ending),
        np.array([ending is Ending.BRANCH for ending in table.ending], np.bool_),
        np.isin(np.arange(size), list(entries.values())),
        tuple(table.calls),
        table.tail,
        np.array(table.first_piece, np.int64),
        np.array([len(calls) + 1 for calls in table.calls], np.int64),
        np.array(table.starts, np.int64),
        np.array(table.ends, np.int64),
        tuple(table.instructions),
        np.array(table.addresses, np.uint64),
        np.array([line.transfer.value for line in table.instructions], np.uint8),
    )


class _Table:
    """A layout being made; blocks may come in any order."""

    def __init__(self, size: int) -> None:
        self.ending = [Ending.STOPS] * size
        self.calls: list[tuple[int, ...]] = [()] * size
        self.first_piece = [0] * size
        self.tail: dict[int, int] = {}
        self.starts: list[int] = [0]
        self.ends: list[int] = [0]
        self.instructions: list[RegisterUse] = []
        self.addresses: list[int] = []

    def add(
        self,
        row: Mapping[str, Any],
        lines: Sequence[RegisterUse],
        image: int,
        entries: Mapping[tuple[int, int], int],
    ) -> None:
        block = row["block"]
        self.ending[block] = Ending(row["ending"])
        self.first_piece[block] = len(self.starts)
        calls: list[int] = []

        def target(line: RegisterUse) -> int:
            return ANYWHERE if line.target is None else entries.get((image, line.target), ELSEWHERE)

        self.starts.append(len(self.instructions))
        for line in lines:
            self.instructions.append(line)
            self.addresses.append(line.address | image << IMAGE_SHIFT)
            if line.transfer in _CALLS:
                self.ends.append(len(self.instructions))
                self.starts.append(len(self.instructions))
                calls.append(target(line))
        self.ends.append(len(self.instructions))
        self.calls[block] = tuple(calls)
        if lines and lines[-1].transfer in _JUMPS:
            self.tail[block] = target(lines[-1])


def _lines(
    recording: Recording, row: Mapping[str, Any], code: Mapping[int, RegisterUse]
) -> list[RegisterUse]:
    """The instructions that begin in a block; one that begins inside an instruction has those behind it."""
    found: list[RegisterUse] = []
    address: int = row["address"]
    if row["part"] and address in code and row["instructions"]:
        address += code[address].size
    for _ in range(row["instructions"]):
        line = code.get(address)
        if line is None:
            raise RecordingError(f"{recording.path} has no code at {address:#x}; record it again.")
        found.append(line)
        address += line.size
    return found


def _successors(recording: Recording, size: int) -> tuple[Numbers, Numbers, Numbers]:
    taken, other = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    more: list[int] = []
    for edge in recording.edges.to_pylist():
        source, target = edge["source"], edge["target"]
        if edge["kind"] == EdgeKind.TAKEN.value:
            taken[source] = target
        elif other[source] < 0:
            other[source] = target
        else:
            more.append(source << 32 | target)
    return taken, other, np.array(sorted(more), np.int64)
