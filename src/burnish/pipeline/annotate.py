"""``annotate``: how often each instruction of a recorded function was executed, beside its text and its source
line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from burnish.core.errors import RecordingError
from burnish.core.image import SourceLine
from burnish.machine.disassemble import Syntax, disassemble
from burnish.pipeline.lines import source_lines_of_image
from burnish.pipeline.observed_profile import AccessProfile, ValueProfile, access_profiles, value_profiles
from burnish.pipeline.profile import function_of, profile
from burnish.pipeline.results import Result
from burnish.pipeline.sampled import only_sampled, sampled_instructions
from burnish.record.exports import instruction_counts
from burnish.record.stacks import sample_unit
from burnish.record.store import Recording, open_recording


@dataclass(frozen=True, slots=True)
class AnnotatedLine:
    """An instruction: its image address, text, and how often it was executed (or sampled, see ``Annotation.unit``).
    ``block`` is the number of the block that begins here, or None; ``source`` the line that it comes from, where that
    is known."""

    address: int
    text: str
    executed: int
    block: int | None
    source: SourceLine | None
    values: tuple[ValueProfile, ...] = ()
    """What its results were, where that was recorded."""
    accesses: tuple[AccessProfile, ...] = ()
    """What it accessed, where that was recorded."""


@dataclass(frozen=True, slots=True)
class Annotation(Result):
    """A recorded function, instruction by instruction. ``unit`` is what is counted: "executions", or what the samples
    of an imported recording are, where it has no counts of the function; then ``calls`` is None."""

    verb: ClassVar[str] = "annotate"
    name: str
    image: str
    address: int
    calls: int | None
    lines: tuple[AnnotatedLine, ...]
    unit: str = "executions"


def annotate(
    recording: str | os.PathLike[str] | Recording, function: str, syntax: Syntax = Syntax.ATT
) -> Annotation:
    """What a recording says of one function, by name or ``0x`` address. Source lines are shown where the file that
    was recorded is still there and has them.

    Raises ``RecordingError`` for what is no recording, ``FunctionNotFoundError`` for a function that is not in it.
    """
    opened = recording if isinstance(recording, Recording) else open_recording(Path(recording))
    summary = profile(opened)
    sampled = only_sampled(summary, function, opened.functions.to_pylist())
    if sampled is not None:
        counts, calls, unit = sampled_instructions(opened, sampled), None, sample_unit(opened)
        row: Mapping[str, Any] = sampled
    else:
        found = function_of(summary, function)
        calls, unit = found.calls, "executions"
        row = next(
            row
            for row in opened.functions.to_pylist()
            if (row["address"], row["name"]) == (found.address, found.name)
        )
        counts = instruction_counts(opened)[row["function"]]
    begins = {
        block["address"]: block["block"]
        for block in opened.blocks.to_pylist()
        if block["function"] == row["function"] and block["part"] == 0
    }
    sources = source_lines_of_image(opened, row["image"])
    values = value_profiles(opened).get(row["function"], ()) if sampled is None else ()
    accesses: tuple[AccessProfile, ...] = ()
    if sampled is None:
        with suppress(RecordingError):  # the counts are there all the same
            accesses = access_profiles(opened, row["function"])
    lines = tuple(
        AnnotatedLine(
            line.address,
            line.text,
            counts.get(line.address, 0),
            begins.get(line.address),
            sources.at(line.address),
            tuple(value for value in values if value.address == line.address),
            tuple(access for access in accesses if access.address == line.address),
        )
        for line in disassemble(row["code"], row["address"], syntax)
    )
    image: str = opened.manifest.images[int(row["image"])].path
    return Annotation(row["name"], image, row["address"], calls, lines, unit)
