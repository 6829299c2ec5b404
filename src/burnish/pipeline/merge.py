"""``merge``: several recordings of one program as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, TypeVar

from burnish.core.errors import UsageError
from burnish.core.recording import Manifest
from burnish.pipeline.results import Result
from burnish.record.merging import Merged, merge_tables
from burnish.record.store import Recording, new_recording, open_recording

Source = str | os.PathLike[str] | Recording
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class MergeResult(Result):
    """What was merged. ``events`` are trace records, ``trace_bytes`` what they take on disk."""

    verb: ClassVar[str] = "merge"
    path: Path
    recordings: tuple[Path, ...]
    functions: int
    runs: int
    events: int
    trace_bytes: int
    warnings: tuple[str, ...]

    def open(self) -> Recording:
        """The merged recording."""
        return open_recording(self.path)


def merge_recordings(recordings: Iterable[Source], output: Path) -> MergeResult:
    """Write what several recordings of one program say together at ``output``: counts are added, traces and threads
    put one after another.

    Raises ``UsageError`` for fewer than two, ``RecordingError`` where they are of different programs or the same code
    differs in them, and ``HostError`` where the result cannot be written.
    """
    opened = opened_recordings(recordings)
    if len(opened) < 2:
        raise UsageError("Give at least two recordings to merge.")
    folder = new_recording(output)
    try:
        made = merge_tables(opened, folder)
        manifest = _manifest(opened, made)
        folder.finish(manifest)
    finally:
        folder.discard()
    return MergeResult(
        output,
        tuple(recording.path for recording in opened),
        len(made.functions),
        manifest.runs,
        made.events,
        made.trace_bytes,
        made.warnings,
    )


def with_sum(recordings: Iterable[Source], use: Callable[[Recording], _Value]) -> _Value:
    """What ``use`` makes of all ``recordings`` together, without their traces; of one alone, of that itself. Raises as
    ``merge_recordings`` does."""
    opened = opened_recordings(recordings)
    if len(opened) == 1:
        return use(opened[0])
    with TemporaryDirectory(prefix="burnish-") as place:
        folder = new_recording(Path(place) / "sum")
        folder.finish(_manifest(opened, merge_tables(opened, folder, trace=False)))
        return use(open_recording(folder.final))


def opened_recordings(recordings: Iterable[Source]) -> list[Recording]:
    """Each of them, opened."""
    return [item if isinstance(item, Recording) else open_recording(item) for item in recordings]


def _manifest(recordings: Sequence[Recording], made: Merged) -> Manifest:
    from burnish import __version__

    all_of = [recording.manifest for recording in recordings]
    first = all_of[0]
    left = {
        (row.image, row.address): row
        for manifest in all_of
        for row in manifest.unrecorded
        if (row.image, row.address) not in made.functions
    }
    native = [manifest.native_s for manifest in all_of]
    return Manifest(
        command=first.command,
        what=tuple(dict.fromkeys(word for manifest in all_of for word in manifest.what)),
        images=made.images,
        unrecorded=tuple(left.values()),
        host={k: v for k, v in first.host.items() if all(m.host.get(k) == v for m in all_of)},
        environment={
            k: v for k, v in first.environment.items() if all(m.environment.get(k) == v for m in all_of)
        },
        started=min(manifest.started for manifest in all_of),
        wall_s=sum(manifest.wall_s for manifest in all_of),
        cpu_s=sum(manifest.cpu_s for manifest in all_of),
        native_s=None if None in native else sum(time for time in native if time is not None),
        exit_code=_common([manifest.exit_code for manifest in all_of]),
        signal=_common([manifest.signal for manifest in all_of]),
        interrupted=any(manifest.interrupted for manifest in all_of),
        dropped=sum(manifest.dropped for manifest in all_of),
        threads=sum(manifest.threads for manifest in all_of),
        covered=None,
        burnish=__version__,
        warnings=tuple(dict.fromkeys([*(text for m in all_of for text in m.warnings), *made.warnings])),
        runs=sum(manifest.runs for manifest in all_of),
    )


def _common(values: Sequence[int | None]) -> int | None:
    return values[0] if len(set(values)) == 1 else None
