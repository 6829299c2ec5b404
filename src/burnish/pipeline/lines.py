"""Source lines of recorded blocks."""

from __future__ import annotations

from pathlib import Path

from burnish.analyze.program import Program
from burnish.core.errors import BurnishError
from burnish.images import load
from burnish.images.dwarf import SourceLines, source_lines
from burnish.record.store import Recording


def source_lines_of_image(recording: Recording, image: int) -> SourceLines:
    """The source lines of a file that was recorded; none where it is no longer there, or another one is."""
    recorded = recording.manifest.images[image]
    nothing = SourceLines((), ())
    try:
        now = load(Path(recorded.path))
    except BurnishError:
        return nothing
    return source_lines(now) if (now.build_id or "") == recorded.build_id else nothing


def source_lines_of(recording: Recording, program: Program) -> dict[int, str]:
    """``file:line`` of the first instruction of each block, where that is known. ``file`` has no folder."""
    sources: dict[int, SourceLines] = {}
    found: dict[int, str] = {}
    for number, row in program.blocks.items():
        image = int(program.functions[row["function"]]["image"])
        if image not in sources:
            sources[image] = source_lines_of_image(recording, image)
        line = sources[image].at(row["address"])
        if line is not None:
            found[number] = f"{Path(line.path).name}:{line.line}"
    return found
