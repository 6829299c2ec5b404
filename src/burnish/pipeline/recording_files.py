"""What a run left in its areas, as the tables and the manifest of a recording."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from burnish.analyze.effects import Effects
from burnish.analyze.shapes import block_shapes
from burnish.core.code import Function
from burnish.core.image import Image
from burnish.core.recording import Manifest, RecordedImage
from burnish.pipeline.native_samples import image_paths, write_samples
from burnish.pipeline.observed_files import write_observed
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult, Wanted
from burnish.recompile.numbering import totals
from burnish.record.areas import summed
from burnish.record.attribution import build_id
from burnish.record.regions import Place
from burnish.record.store import RecordingFolder
from burnish.runtime.command import CommandResult

_NOTED = ("LANG", "LC_ALL", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "OMP_NUM_THREADS", "TZ")
"""Variables of the environment that matter for what a program does, and give nobody away."""


def write_recording(
    options: RecordOptions,
    wanted: Wanted,
    probed: Probed,
    ran: Ran,
    folder: RecordingFolder,
    environment: Mapping[str, str] = os.environ,
    warnings: Sequence[str] = (),
) -> RecordResult:
    """Write the tables and the manifest, and put the recording where it belongs. ``environment`` is the target's.
    Raises ``HostError``."""
    paths = image_paths(wanted)
    counts = summed(ran.threads)
    entered = _write_tables(wanted, probed, counts, paths, folder)
    rows = [(thread.process, thread.thread, thread.dropped) for thread in ran.threads]
    folder.table("threads", columns(rows, 3))
    if ran.observing is not None:
        write_observed(probed, ran.observing, _places(wanted, probed, paths), folder)
    write_samples(wanted, paths, folder)
    manifest = _manifest(options, wanted, probed, ran, _never_entered(wanted, probed, counts))
    noted = {name: environment[name] for name in _NOTED if name in environment}
    manifest = replace(manifest, environment=noted, warnings=(*manifest.warnings, *warnings))
    folder.finish(manifest)
    trace = ran.trace
    return RecordResult(
        path=options.output,
        command=manifest.command,
        functions=len(probed.numbered),
        blocks=sum(len(numbering.blocks) for _, _, _, numbering in probed.numbered),
        unrecorded=manifest.unrecorded,
        covered=manifest.covered,
        entered=entered,
        events=0 if trace is None else trace.events,
        trace_bytes=0 if trace is None else trace.bytes,
        dropped=manifest.dropped,
        left_out=0 if trace is None else trace.left_out,
        cpu_s=manifest.cpu_s,
        slowdown=manifest.cpu_s / wanted.native_s if wanted.native_s else None,
        exit_code=manifest.exit_code,
        signal=manifest.signal,
        interrupted=ran.result.interrupted,
        timed_out=ran.result.timed_out,
        seconds={},
        warnings=manifest.warnings,
    )


def _never_entered(wanted: Wanted, probed: Probed, counts: Mapping[int, int]) -> list[str]:
    """Warnings of files whose functions were hot, and then never entered."""
    if not wanted.sampled:
        return []
    entered: dict[Path, bool] = {}
    for path, _, _, numbering in probed.numbered:
        counters = (*numbering.entered.values(), *numbering.taken.values())
        entered[path] = entered.get(path, False) or any(counts.get(counter) for counter in counters)
    return [
        f"No function of {path} was entered: the recorded run did other things than the sampled one, or loaded the "
        "file in a way that was not seen."
        for path, found in entered.items()
        if not found
    ]


def _manifest(
    options: RecordOptions, wanted: Wanted, probed: Probed, ran: Ran, more: Sequence[str]
) -> Manifest:
    warnings = [*probed.deployment.warnings, *probed.warnings, *ran.warnings, *more]
    if ran.lost:
        warnings.append(
            f"{ran.lost} threads were not recorded: no part of the ring could be made for them (no memory, or no "
            "right to)."
        )
    elif not ran.threads:
        warnings.append("Nothing was written down: the program did not load the preloaded object.")
    recorded = {(path, bounds.address) for path, bounds, _, _ in probed.numbered}
    return replace(
        manifest(options, wanted, ran.result, ran.started, recorded),
        dropped=sum(thread.dropped for thread in ran.threads),
        threads=len(ran.threads),
        observer=probed.observer.value,
        burst=None if options.burst is None else f"{options.burst.length}/{options.burst.every}",
        warnings=tuple(warnings),
    )


def manifest(
    options: RecordOptions,
    wanted: Wanted,
    result: CommandResult,
    started: datetime,
    recorded: Collection[tuple[Path, int]],
) -> Manifest:
    """The manifest of a run of which nothing was lost. ``recorded`` are the functions that were recorded, by file and
    image address."""
    from burnish import __version__

    return Manifest(
        command=result.argv,
        what=tuple(what.value for what in options.what),
        images=tuple(RecordedImage(str(path), build_id(path)) for path in image_paths(wanted)),
        unrecorded=tuple(wanted.unrecorded),
        host={"machine": platform.machine(), "kernel": platform.release(), "system": platform.system()},
        environment={name: os.environ[name] for name in _NOTED if name in os.environ},
        started=started.isoformat(timespec="milliseconds"),
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        native_s=wanted.native_s,
        exit_code=result.exit_code,
        signal=result.signal,
        interrupted=result.interrupted or result.timed_out,
        dropped=0,
        threads=0,
        covered=sum(s.share for s in wanted.spots if s.key in recorded) if wanted.sampled else None,
        burnish=__version__,
    )


def _places(wanted: Wanted, probed: Probed, paths: Sequence[Path]) -> list[Place]:
    """Where the images were loaded from: copies of most of them."""
    copies = {patched.source.resolve(): patched.path for patched in probed.deployment.images}
    found: list[Place] = []
    for number, path in enumerate(paths):
        if path not in wanted.images:
            continue  # only samples fell into it
        segments = wanted.images[path].segments
        low = min(segment.address for segment in segments)
        high = max(segment.end for segment in segments)
        found.append(Place(number, str(copies.get(path.resolve(), path).resolve()), low, high))
    return found


def _write_tables(
    wanted: Wanted, probed: Probed, counts: Mapping[int, int], paths: list[Path], folder: RecordingFolder
) -> int:
    """The tables of functions, blocks and edges; returns how many block entries there were."""
    functions: list[tuple[int, int, str, int, int, bytes]] = []
    parts: list[tuple[int, int, bytes]] = []
    blocks: list[tuple[int | str, ...]] = []
    edges: list[tuple[int | str, ...]] = []
    sites: list[tuple[int | str, ...]] = []
    total = 0
    effects = {path: Effects(image) for path, image in wanted.images.items()}
    for index, (path, bounds, function, numbering) in enumerate(probed.numbered):
        code = wanted.images[path].read(bounds.address, bounds.size) or b""
        functions.append((index, paths.index(path), bounds.name, bounds.address, bounds.size, code))
        parts += [(index, *part) for part in _parts(wanted.images[path], function)]
        entries, passages = totals(function, numbering, counts)
        total += sum(entries.values())
        shapes = {shape.label: shape for shape in block_shapes(function)}
        bodies = {block.label: block for block in function.blocks}
        for label, number_of in numbering.blocks.items():
            shape = shapes[label]
            row = (number_of, index, label.address, label.part, shape.size, shape.instructions, shape.last)
            effect = effects[path].of_block(bodies[label]).name.lower()
            blocks.append((*row, shape.ending.value, entries[label], effect))
        for edge, taken in passages.items():
            kind = shapes[edge.source].kind(edge.target).value
            edges.append((numbering.blocks[edge.source], numbering.blocks[edge.target], kind, taken))
        for (label, _), found in numbering.sites.items():
            block = numbering.blocks[label]
            sites += [(site.number, block, site.address, site.access.value, site.size) for site in found]
    folder.table("functions", columns(functions, 6))
    folder.table("parts", columns(parts, 3))
    folder.table("blocks", columns(sorted(blocks), 10))
    folder.table("edges", columns(sorted(edges), 4))
    folder.table("sites", columns(sorted(sites), 5))
    return total


def _parts(image: Image, function: Function) -> list[tuple[int, bytes]]:
    """Addresses and bytes of what belongs to a function and lies outside of its extent, such as its ``.cold`` part."""
    inside = range(function.address, function.address + function.size)
    extents: list[list[int]] = []
    for instruction in sorted(function.instructions, key=lambda instruction: instruction.address):
        if instruction.address in inside:
            continue
        if extents and extents[-1][1] == instruction.address:
            extents[-1][1] = instruction.end
        else:
            extents.append([instruction.address, instruction.end])
    return [(begin, image.read(begin, end - begin) or b"") for begin, end in extents]


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as columns, ``width`` of them."""
    return [[row[k] for row in rows] for k in range(width)]
