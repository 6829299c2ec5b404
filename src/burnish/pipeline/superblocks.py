"""``superblocks``: the structure of a recorded execution, and the parallelism in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from burnish.analyze.execution import execution_graph
from burnish.analyze.forms import forms
from burnish.analyze.nest import structure, walk
from burnish.analyze.parallelism import Evidence, explained, findings, ordered_effects
from burnish.analyze.program import Program, program_of
from burnish.analyze.ranges import ranges
from burnish.analyze.recurrences import flows
from burnish.analyze.replay import CORES, Costs
from burnish.analyze.superblocks import BIAS
from burnish.analyze.superblocks import superblocks as grown
from burnish.core.errors import FunctionNotFoundError, RecordingError, UsageError
from burnish.core.execution import ExecutionGraph
from burnish.core.recording import What
from burnish.core.structure import Region, Structure
from burnish.core.superblocks import Finding, Superblock
from burnish.pipeline.lines import source_lines_of
from burnish.pipeline.results import Result, plain
from burnish.record.store import Recording, open_recording

MOST_CORES = 64


@dataclass(frozen=True, slots=True)
class RegionSummary:
    """A loop or a function as it ran. ``address`` is in its file, ``source`` the line there, empty where that is not
    known. ``share`` is its part of all recorded instructions, 0 to 1, of what it called as well; ``trips`` are rows
    of (rounds, visits), ``form`` the order of its blocks (``burnish.analyze.forms``)."""

    region: int
    function: str
    loop: bool
    parent: int | None
    depth: int
    address: int
    source: str
    share: float
    entered: int
    rounds: int
    recursive: bool
    trips: tuple[tuple[int, int], ...]
    form: str


@dataclass(frozen=True, slots=True)
class Superblocks(Result):
    """What was found. ``instructions`` and ``blocks`` are how many ran in recorded functions; ``cores`` is what gains
    are predicted for, with ``costs``. ``structure`` and ``program`` are what the rest is computed from."""

    verb: ClassVar[str] = "superblocks"
    recording: str
    instructions: int
    blocks: int
    cores: int
    bias: float
    costs: Costs
    regions: tuple[RegionSummary, ...]
    findings: tuple[Finding, ...]
    superblocks: tuple[Superblock, ...]
    warnings: tuple[str, ...]
    execution: ExecutionGraph = field(repr=False)
    structure: Structure = field(repr=False)
    program: Program = field(repr=False, compare=False)
    lines: dict[int, str] = field(repr=False, compare=False)

    def to_data(self) -> dict[str, Any]:
        """The fields as JSON data; of the structure the dependences, of the program the sites. What blocks leave for
        each other is in ``execution`` alone."""
        names = ("recording", "instructions", "blocks", "cores", "bias", "costs", "regions", "findings", "superblocks",
            "warnings", "execution")  # fmt: skip
        found = {name: plain(getattr(self, name)) for name in names}
        for finding in found["findings"]:
            del finding["flow"]["left"]
        kept = {region.region for region in self.regions}
        rows = [row for row in self.structure.dependences if row.region in kept]
        sites = {number for row in rows for number in (row.source, row.sink)}
        sites |= {use.range.site for use in self.execution.uses}
        return found | {
            "dependences": [plain(row) for row in rows],
            "sites": [{"site": number, **self.program.sites[number]} for number in sorted(sites)],
        }

    def region(self, number: int) -> RegionSummary:
        """The summary of a region."""
        return next(region for region in self.regions if region.region == number)


def superblocks(
    recording: str | os.PathLike[str] | Recording,
    *,
    function: str | None = None,
    cores: int = MOST_CORES,
    bias: float = BIAS,
    costs: Costs | None = None,
) -> Superblocks:
    """The loops, calls and superblocks of a recording with memory accesses, what depends on what, and what running
    them in parallel on up to ``cores`` cores would gain. ``function`` leaves only what lies in one function, by name.

    Raises ``RecordingError`` for what is no recording, or one without the accesses or blocks that it takes,
    ``FunctionNotFoundError`` for a function that is not in it, and ``UsageError`` for numbers out of bounds.
    """
    if not 1 <= cores <= MOST_CORES:
        raise UsageError(f"{cores} cores are not between 1 and {MOST_CORES}.")
    if not 0.5 < bias < 1:
        raise UsageError(f"A bias of {bias:g} is not between 0.5 and 1.")
    opened = recording if isinstance(recording, Recording) else open_recording(Path(recording))
    _check(opened)
    program = program_of(opened)
    chosen = None if function is None else _functions(program, function)
    nest = walk(opened, program)
    found = structure(opened, program, nest)
    if not found.blocks:
        raise RecordingError(
            f"{opened.path} is empty: no recorded function ran. Record a run in which they do, or other functions."
        )
    said = flows(opened, program, found)
    ignored = set(explained(said))
    touched = ranges(opened, program, nest)
    evidence = Evidence(
        structure=found,
        program=program,
        flows=said,
        ranges=touched,
        nest=walk(opened, program, sorted(ignored), fitted=False) if ignored else nest,
        effects=ordered_effects(found, program),
        costs=costs or Costs(),
        cores=(*tuple(n for n in CORES if n < cores), cores),
    )
    lines = source_lines_of(opened, program)
    result = Superblocks(
        recording=str(opened.path),
        instructions=found.instructions,
        blocks=found.blocks,
        cores=cores,
        bias=bias,
        costs=evidence.costs,
        regions=tuple(_summaries(found, program, lines)),
        findings=findings(evidence),
        superblocks=grown(evidence, bias),
        warnings=tuple(_warnings(found)),
        execution=execution_graph(found, program, said, touched),
        structure=found,
        program=program,
        lines=lines,
    )
    return result if chosen is None else _within(result, found.regions, chosen)


def _check(recording: Recording) -> None:
    what = recording.manifest.what
    if What.MEMORY.value not in what or "trace" not in recording.tables:
        has = ", ".join(what) or "samples alone"
        raise RecordingError(
            f"{recording.path} has no memory accesses ({has}): record the program with --what memory."
        )


def _functions(program: Program, name: str) -> frozenset[int]:
    found = frozenset(number for number, row in program.functions.items() if row["name"] == name)
    if not found:
        names = sorted({row["name"] for row in program.functions.values()})
        some = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        raise FunctionNotFoundError(f"The recording has no function {name}. It has: {some}.")
    return found


def _summaries(found: Structure, program: Program, lines: dict[int, str]) -> Iterable[RegionSummary]:
    orders = forms(found)
    for region in found.regions:
        block = region.header if region.header is not None else program.entries[region.function]
        yield RegionSummary(
            region=region.number,
            function=program.functions[region.function]["name"],
            loop=region.header is not None,
            parent=region.parent,
            depth=region.depth,
            address=program.blocks[block]["address"],
            source=lines.get(block, ""),
            share=region.instructions / max(1, found.instructions),
            entered=region.entered,
            rounds=region.rounds,
            recursive=region.recursive,
            trips=region.trips.counts,
            form=orders[region.number],
        )


def _warnings(found: Structure) -> Iterable[str]:
    if found.gaps:
        yield f"The trace has {found.gaps:,} gaps: what depends on what across them is not known."
    if found.left_out:
        yield f"{found.left_out:,} accesses were left out, for lack of memory: dependences through them are missing."


def _within(result: Superblocks, regions: Sequence[Region], chosen: frozenset[int]) -> Superblocks:
    """What lies in the chosen functions."""
    kept = {region.number for region in regions if region.function in chosen}
    return replace(
        result,
        regions=tuple(one for one in result.regions if one.region in kept),
        findings=tuple(one for one in result.findings if one.region in kept),
        superblocks=tuple(one for one in result.superblocks if one.region in kept),
        execution=_part(result.execution, kept),
    )


def _part(graph: ExecutionGraph, kept: set[int]) -> ExecutionGraph:
    """What of a graph lies in regions; numbers stay."""
    instances = tuple(one for one in graph.instances if one.region in kept)
    numbers = {one.number for one in instances}
    uses = tuple(use for use in graph.uses if use.region in kept)
    handed = tuple(one for one in graph.handed if one.region in kept)
    named = {one.variable for one in (*uses, *handed)}
    return ExecutionGraph(
        instances,
        tuple(step for step in graph.steps if step.source in numbers),
        tuple(variable for variable in graph.variables if variable.number in named),
        uses,
        handed,
        tuple(row for row in graph.left_out if row[0] in kept),
    )
