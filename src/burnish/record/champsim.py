"""Traces for ChampSim: a record of 64 bytes an executed instruction (``input_instr`` of its ``trace_instruction.h``).

ChampSim takes from the registers of a record what kind of branch it is. A record is a branch here only where the one
after it is where it went: calls to code that was not recorded, and returns to it, are ordinary instructions, so that a
simulated return stack sees as many returns as calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish.core.recording import Access
from burnish.machine.register_use import RegisterUse, Transfer
from burnish.record.layout import Layout, Numbers, layout
from burnish.record.store import Recording
from burnish.record.trace import accesses_of
from burnish.record.walk import UNKNOWN, WENT, Segments, Walk, walked

CHAMPSIM_RECORD = np.dtype(
    [
        ("ip", "<u8"),
        ("is_branch", "u1"),
        ("branch_taken", "u1"),
        ("destination_registers", "u1", 2),
        ("source_registers", "u1", 4),
        ("destination_memory", "<u8", 2),
        ("source_memory", "<u8", 4),
    ]
)
_SLOTS = {"destination_memory": 2, "source_memory": 4}
_GENERAL = ("rdi", "rsi", "rbp", "rsp", "rbx", "rdx", "rcx", "rax", *(f"r{n}" for n in range(8, 16)))
STACK_POINTER, FLAGS, INSTRUCTION_POINTER, MEMORY, VECTOR = 6, 25, 26, 63, 64
REGISTERS: dict[str, int] = {
    **{name: 3 + n for n, name in enumerate(_GENERAL)},
    "rflags": FLAGS,
    **{f"xmm{n}": VECTOR + n for n in range(32)},
}
"""Numbers of registers: those of Pin for general ones and flags, which ChampSim knows. Vector registers, whose numbers
differ between versions of Pin, come from ``VECTOR`` on; ``MEMORY`` stands for what an indirect jump or call reads
where it reads no register."""
_SPECIAL = (STACK_POINTER, FLAGS, INSTRUCTION_POINTER)


@dataclass(frozen=True, slots=True)
class _Templates:
    """Records of instructions before it is known what they did: ``rows`` as they are when they lead nowhere, then the
    same as branches. By site: its piece and row in the layout (row -1: the instruction began in the block before), and
    the word of a record that its address goes to (-1: none)."""

    rows: npt.NDArray[np.void]
    piece: Numbers
    row: Numbers
    word: Numbers


def write_champsim(recording: Recording, path: Path, process: int, thread: int) -> None:
    """Write what one thread executed in the recorded functions to the file ``path``. Raises ``RecordingError`` where no
    trace was recorded, and ``OSError``."""
    blocks = layout(recording)
    templates = _templates(recording, blocks)
    walk = Walk(blocks)
    with path.open("wb") as file:
        for records, segments in walked(walk, recording.record_chunks(process, thread)):
            made, starts = _expanded(segments, blocks, templates)
            if records.dtype == np.uint64:
                _add_accesses(made, starts, segments, accesses_of(records, 0), blocks, templates)
            made.tofile(file)


def _expanded(
    segments: Segments, blocks: Layout, templates: _Templates
) -> tuple[npt.NDArray[np.void], Numbers]:
    """The records of all segments, and at which of them each segment begins."""
    piece = blocks.first_piece[segments.block]
    begins = blocks.starts[piece + segments.first]
    some = segments.last > segments.first
    final = piece + np.maximum(segments.last, 1) - 1
    counts = np.where(some, blocks.ends[final] - begins, 0)
    after = np.cumsum(counts)
    starts = after - counts
    total = int(after[-1]) if len(after) else 0
    rows = np.repeat(begins - starts, counts) + np.arange(total)
    # A block may go on behind a call without an instruction of its own: then nothing of it jumped.
    known = (counts > 0) & (segments.how != UNKNOWN) & (blocks.ends[final] > blocks.starts[final])
    ends = after[known] - 1
    moves = blocks.transfers[rows[ends]] != Transfer.NONE.value
    ends, went = ends[moves], segments.how[known][moves] == WENT
    rows[ends] += len(blocks.instructions)
    made = templates.rows[rows]
    made["branch_taken"][ends[went]] = 1
    return made, starts


def _add_accesses(
    made: npt.NDArray[np.void],
    starts: Numbers,
    segments: Segments,
    accesses: npt.NDArray[np.void],
    blocks: Layout,
    templates: _Templates,
) -> None:
    """Write the addresses of loads and stores into the records of their instructions."""
    site = accesses["site"].astype(np.int64)
    position = accesses["position"]
    row, piece = templates.row[site], templates.piece[site]
    own = np.flatnonzero(~segments.inserted)
    segment = own[position]
    # What is not in the block that was entered last is in one that has gone on since.
    other = np.flatnonzero(~_within(piece, segment, segments, blocks))
    later = np.flatnonzero(segments.inserted)
    if len(other) and len(later):
        counts = segments.last[later] - segments.first[later]
        spread = np.repeat(later, counts)
        offsets = np.arange(len(spread)) - np.repeat(np.cumsum(counts) - counts, counts)
        pieces = blocks.first_piece[segments.block[spread]] + segments.first[spread] + offsets
        keys = segments.event[spread] << 32 | pieces
        order = np.argsort(keys, kind="stable")
        # Where a block has gone on several times, as in a recursion that returns, each has its own access.
        at = np.searchsorted(keys[order], position[other] << 32 | piece[other])
        at += _ranks(position[other] << 16 | site[other])
        segment[other] = spread[order[np.minimum(at, len(spread) - 1)]]
    begins = blocks.starts[blocks.first_piece[segments.block[segment]] + segments.first[segment]]
    inside = _within(piece, segment, segments, blocks) & (templates.word[site] >= 0)
    target = np.where(row < 0, starts[segment] - 1, starts[segment] + row - begins)
    inside &= target >= 0
    target = target[inside]
    words = made.view("<u8").reshape(-1, CHAMPSIM_RECORD.itemsize // 8)
    # Backwards, so that of several accesses in one place (a string instruction's rounds) the first stays.
    place = templates.word[site][inside]
    words[target[::-1], place[::-1]] = accesses["address"][inside][::-1]


def _within(piece: Numbers, segment: Numbers, segments: Segments, blocks: Layout) -> npt.NDArray[np.bool_]:
    """Whether each piece, counted over all blocks, is in the segment beside it."""
    inner = piece - blocks.first_piece[segments.block[segment]]
    return (inner >= segments.first[segment]) & (inner < segments.last[segment])


def _ranks(keys: Numbers) -> Numbers:
    """How many of the same number stand before each."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.searchsorted(ordered, ordered)
    ranks = np.empty_like(keys)
    ranks[order] = np.arange(len(keys)) - first
    return ranks


def _templates(recording: Recording, blocks: Layout) -> _Templates:
    count = len(blocks.instructions)
    rows = np.zeros(2 * count, CHAMPSIM_RECORD)
    rows["ip"] = np.tile(blocks.addresses, 2)
    for row, line in enumerate(blocks.instructions):
        _fill(rows[row], _numbers(line.reads), _numbers(line.writes))
        _fill(rows[count + row], *_branch_registers(line))
        rows[count + row]["is_branch"] = line.transfer is not Transfer.NONE
    sites: list[dict[str, Any]] = recording.to_arrow("sites").to_pylist()
    size = max((site["site"] for site in sites), default=-1) + 1
    piece, row_of, word = (np.full(size, -1, np.int64) for _ in range(3))
    used: dict[tuple[int, int, str], int] = {}
    for site in sites:
        number, where = site["site"], site["block"]
        piece[number], row_of[number] = _place_of(blocks, where, site["address"])
        field = {
            Access.LOAD.value: "source_memory",
            Access.STRING_SOURCE.value: "source_memory",
            Access.STORE.value: "destination_memory",
            Access.STRING_TARGET.value: "destination_memory",
        }.get(site["access"])
        if field is not None:
            key = (where, site["address"], field)
            slot = used[key] = used.get(key, -1) + 1
            if slot < _SLOTS[field]:
                word[number] = CHAMPSIM_RECORD.fields[field][1] // 8 + slot  # type: ignore[index]
    return _Templates(rows, piece, row_of, word)


def _place_of(blocks: Layout, block: int, address: int) -> tuple[int, int]:
    first = int(blocks.first_piece[block])
    for piece in range(first, first + int(blocks.pieces[block])):
        for row in range(int(blocks.starts[piece]), int(blocks.ends[piece])):
            if blocks.instructions[row].address == address:
                return piece, row
    return first, -1


def _fill(record: Any, sources: Sequence[int], destinations: Sequence[int]) -> None:
    record["source_registers"][: len(sources[:4])] = sources[:4]
    record["destination_registers"][: len(destinations[:2])] = destinations[:2]


def _numbers(names: Sequence[str]) -> list[int]:
    """Numbers of registers, flags last: what does not fit is cut off."""
    found = [REGISTERS[name] for name in names if name in REGISTERS]
    return sorted(found, key=lambda number: number == FLAGS)


def _branch_registers(line: RegisterUse) -> tuple[list[int], list[int]]:
    """Sources and destinations of an instruction that transfers control, as ChampSim tells its kind from them."""
    reads, writes = _numbers(line.reads), _numbers(line.writes)
    others = [number for number in reads if number not in _SPECIAL] or [MEMORY]
    match line.transfer:
        case Transfer.NONE:
            return reads, writes
        case Transfer.CONDITIONAL:
            return [INSTRUCTION_POINTER, *reads], [INSTRUCTION_POINTER, *writes]
        case Transfer.JUMP:
            return [INSTRUCTION_POINTER], [INSTRUCTION_POINTER]
        case Transfer.INDIRECT_JUMP:
            return others, [INSTRUCTION_POINTER]
        case Transfer.CALL:
            return [INSTRUCTION_POINTER, STACK_POINTER], [INSTRUCTION_POINTER, STACK_POINTER]
        case Transfer.INDIRECT_CALL:
            sources = [INSTRUCTION_POINTER, STACK_POINTER, *others]
            return sources, [INSTRUCTION_POINTER, STACK_POINTER]
        case Transfer.RETURN:
            return [STACK_POINTER], [INSTRUCTION_POINTER, STACK_POINTER]
