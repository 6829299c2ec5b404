"""``import``: another profiler's file as a recording."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.core.errors import UsageError
from burnish.core.recording import Unrecorded
from burnish.pipeline.importing_tables import ImportTables
from burnish.pipeline.results import Result
from burnish.pipeline.stages import Say, Stages
from burnish.record.imports import Kind, read_profile_file
from burnish.record.imports.places import Images
from burnish.record.imports.recognise import STDIN
from burnish.record.store import Recording, new_recording, open_recording


@dataclass(frozen=True, slots=True)
class ImportResult(Result):
    """What was imported. ``samples`` is in ``unit``; ``counts`` says what the counts of blocks are, a value of
    ``core.recording.Counts``. ``functions`` have their code in the recording, ``counted`` of them blocks and edges."""

    verb: ClassVar[str] = "import"
    path: Path
    file: str
    format: str
    unit: str
    counts: str
    samples: int
    stacks: int
    functions: int
    counted: int
    blocks: int
    unrecorded: tuple[Unrecorded, ...]
    notes: tuple[str, ...]

    def open(self) -> Recording:
        """The recording."""
        return open_recording(self.path)


def import_profile(
    file: str | os.PathLike[str],
    output: str | os.PathLike[str] = "run.burnish",
    *,
    kind: str | None = None,
    images: Iterable[str | os.PathLike[str]] = (),
    event: str | None = None,
    hot: int = 20,
    say: Say = lambda text: None,
) -> ImportResult:
    """Make a recording at ``output`` of what another profiler wrote into ``file``: ``perf script``'s text, callgrind's
    out file, BOLT's ``.fdata``, or folded stacks (``kind``: perf-script, callgrind, fdata, folded; by default the
    content tells). ``-`` is standard input.

    ``images`` are files that the profile is about, for formats that do not name them (fdata), and for files that lie
    elsewhere now. ``event`` chooses one of several. Blocks are counted of the ``hot`` functions with the largest
    shares.

    Raises ``ProfileFileError`` for a malformed file, with the line, ``UsageError`` for an unknown format,
    ``ImageError`` for an image of fdata that is none, ``HostError`` where the recording cannot be written.
    """
    stages = Stages(say)
    name = os.fspath(file)
    chosen = _kind(kind)
    known = Images(tuple(Path(image).absolute() for image in images))
    with stages.stage("Reading"):
        run = read_profile_file(name, known, chosen, event)
    folder = new_recording(Path(output))
    try:
        tables = ImportTables(run, known, hot)
        with stages.stage("Counting"):
            tables.fill()
        from_ = "standard input" if name == STDIN else Path(name).name
        tables.write(folder, from_)
        return _result(folder.final, from_, tables)
    finally:
        folder.discard()


def _kind(word: str | None) -> Kind | None:
    words = {kind.value: kind for kind in Kind}
    if word is not None and word not in words:
        raise UsageError(f"There is no format {word!r} to import; there are {', '.join(words)}.")
    return None if word is None else words[word]


def _result(path: Path, file: str, tables: ImportTables) -> ImportResult:
    run = tables.run
    return ImportResult(
        path=path,
        file=file,
        format=run.kind.value,
        unit=run.unit,
        counts=run.counts.value,
        samples=sum(sample.weight for sample in run.samples),
        stacks=tables.stacks,
        functions=len(tables.counted),
        counted=sum(counts is not None for *_, counts in tables.counted),
        blocks=tables.blocks,
        unrecorded=tuple(tables.unrecorded),
        notes=tuple(run.notes),
    )
