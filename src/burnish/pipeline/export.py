"""``export``: a recording in the format of another tool."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.pipeline.results import Result
from burnish.record import exports
from burnish.record.store import Recording, open_recording


@dataclass(frozen=True, slots=True)
class Exported(Result):
    """What was written. ``size`` is in bytes, of all files together; ``left_out`` counts further threads, for which the
    format has no place; ``notes`` say what else was left out or put together."""

    verb: ClassVar[str] = "export"
    recording: Path
    output: Path
    format: str
    size: int
    left_out: int = 0
    notes: tuple[str, ...] = ()


def export(
    recording: str | os.PathLike[str] | Recording,
    kind: str,
    output: str | os.PathLike[str],
    thread: int | None = None,
) -> Exported:
    """Write a recording in a format (``record.exports.EXPORTS``) at ``output``; with ``thread`` (from 1, in the order
    in which they began) what that one did, where the format can. Raises as ``record.exports.export`` and
    ``open_recording`` do."""
    opened = recording if isinstance(recording, Recording) else open_recording(Path(recording))
    made = Path(output)
    notes = exports.export(opened, kind, made, thread)
    files = made.rglob("*") if made.is_dir() else [made]
    size = sum(path.stat().st_size for path in files if path.is_file())
    alone = exports.EXPORTS[kind].one_thread and thread is None
    left_out = max(0, len(opened.traced_threads()) - 1) if alone else 0
    return Exported(opened.path, made, kind, size, left_out, notes)
