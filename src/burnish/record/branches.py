"""Records of 18 bytes, one an executed jump, for simulators of branch predictors."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from burnish.machine.register_use import Transfer
from burnish.record.layout import IMAGE_SHIFT, Layout, layout
from burnish.record.store import Recording
from burnish.record.walk import WENT, Segments, Walk, walked

BRANCH_RECORD = np.dtype([("pc", "<u8"), ("target", "<u8"), ("taken", "u1"), ("type", "u1")])
"""``type`` indexes ``BRANCH_TYPES``."""
BRANCH_TYPES = (Transfer.CONDITIONAL, Transfer.JUMP, Transfer.INDIRECT_JUMP)


def write_branches(recording: Recording, path: Path) -> None:
    """Write the jumps within recorded functions that were executed, in order, one thread after another. Raises
    ``RecordingError`` where no trace was recorded, and ``OSError``."""
    threads = recording.traced_threads()
    blocks = layout(recording)
    with path.open("wb") as file:
        for process, thread in threads:
            _write(recording, blocks, process, thread, file)


def write_branches_of(recording: Recording, path: Path, process: int, thread: int) -> None:
    """The same of one thread alone."""
    with path.open("wb") as file:
        _write(recording, layout(recording), process, thread, file)


def _write(recording: Recording, blocks: Layout, process: int, thread: int, file: BinaryIO) -> None:
    direct = np.array([line.target or 0 for line in blocks.instructions], np.uint64)
    direct |= blocks.addresses >> np.uint64(IMAGE_SHIFT) << np.uint64(IMAGE_SHIFT)
    types = np.full(len(Transfer), len(BRANCH_TYPES), np.uint8)
    for number, transfer in enumerate(BRANCH_TYPES):
        types[transfer.value] = number
    for _, segments in walked(Walk(blocks), recording.record_chunks(process, thread)):
        _records(segments, blocks, direct, types).tofile(file)


def _records(segments: Segments, blocks: Layout, direct: np.ndarray, types: np.ndarray) -> np.ndarray:
    known = segments.following >= 0
    rows = blocks.last_rows(segments.block[known])
    jumps = rows >= 0
    jumps[jumps] = types[blocks.transfers[rows[jumps]]] < len(BRANCH_TYPES)
    rows = rows[jumps]
    following = segments.following[known][jumps]
    out = np.zeros(len(rows), BRANCH_RECORD)
    out["pc"], out["type"] = blocks.addresses[rows], types[blocks.transfers[rows]]
    out["taken"] = segments.how[known][jumps] == WENT
    # That of a branch that was not taken is where it would have gone.
    went = blocks.addresses[blocks.starts[blocks.first_piece[following]]]
    out["target"] = np.where(out["type"] == BRANCH_TYPES.index(Transfer.INDIRECT_JUMP), went, direct[rows])
    return out
