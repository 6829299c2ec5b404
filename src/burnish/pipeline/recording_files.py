"""What a run left in its areas, as the tables and the manifest of a recording."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from burnish.analyze.shapes import block_shapes
from burnish.core.recording import Manifest, RecordedImage
from burnish.pipeline.native_samples import image_paths, write_samples
from burnish.pipeline.observed_files import write_observed
from burnish.pipeline.recording import Probed, Ran, RecordOptions, RecordResult, Wanted
from burnish.recompile.numbering import totals
from burnish.record.areas import summed
from burnish.record.attribution import build_id
from burnish.record.regions import Place
from burnish.record.store import RecordingFolder

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
    entered = _write_tables(wanted, probed, summed(ran.threads), paths, folder)
    rows = [(thread.process, thread.thread, thread.dropped) for thread in ran.threads]
    folder.table("threads", _columns(rows, 3))
    if ran.observing is not None:
        write_observed(probed, ran.observing, _places(wanted, probed, paths), folder)
    write_samples(wanted, paths, folder)
    manifest = _manifest(options, wanted, probed, ran)
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


def _manifest(options: RecordOptions, wanted: Wanted, probed: Probed, ran: Ran) -> Manifest:
    from burnish import __version__

    result = ran.result
    warnings = list(probed.deployment.warnings)
    if ran.lost:
        warnings.append(
            f"{ran.lost} threads were not recorded: there was no memory for their part of the ring."
        )
    elif not ran.threads:
        warnings.append("Nothing was written down: the program did not load the preloaded object.")
    recorded = {(path, bounds.address) for path, bounds, _, _ in probed.numbered}
    return Manifest(
        command=result.argv,
        what=tuple(what.value for what in options.what),
        images=tuple(RecordedImage(str(path), build_id(path)) for path in image_paths(wanted)),
        unrecorded=tuple(wanted.unrecorded),
        host={"machine": platform.machine(), "kernel": platform.release(), "system": platform.system()},
        environment={},
        started=ran.started.isoformat(timespec="milliseconds"),
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        native_s=wanted.native_s,
        exit_code=result.exit_code,
        signal=result.signal,
        interrupted=result.interrupted or result.timed_out,
        dropped=sum(thread.dropped for thread in ran.threads),
        threads=len(ran.threads),
        covered=sum(s.share for s in wanted.spots if s.key in recorded) if wanted.sampled else None,
        burnish=__version__,
        warnings=tuple(warnings),
    )


def _places(wanted: Wanted, probed: Probed, paths: Sequence[Path]) -> list[Place]:
    """Where the images were loaded from: copies of most of them."""
    copies = {patched.source.resolve(): patched.path for patched in probed.deployment.images}
    found: list[Place] = []
    for number, path in enumerate(paths):
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
    blocks: list[tuple[int | str, ...]] = []
    edges: list[tuple[int | str, ...]] = []
    sites: list[tuple[int | str, ...]] = []
    total = 0
    for index, (path, bounds, function, numbering) in enumerate(probed.numbered):
        code = wanted.images[path].read(bounds.address, bounds.size) or b""
        functions.append((index, paths.index(path), bounds.name, bounds.address, bounds.size, code))
        entries, passages = totals(function, numbering, counts)
        total += sum(entries.values())
        shapes = {shape.label: shape for shape in block_shapes(function)}
        for label, number_of in numbering.blocks.items():
            shape = shapes[label]
            row = (number_of, index, label.address, label.part, shape.size, shape.instructions, shape.last)
            blocks.append((*row, shape.ending.value, entries[label]))
        for edge, taken in passages.items():
            kind = shapes[edge.source].kind(edge.target).value
            edges.append((numbering.blocks[edge.source], numbering.blocks[edge.target], kind, taken))
        for (label, _), found in numbering.sites.items():
            block = numbering.blocks[label]
            sites += [(site.number, block, site.address, site.access.value, site.size) for site in found]
    folder.table("functions", _columns(functions, 6))
    folder.table("blocks", _columns(sorted(blocks), 9))
    folder.table("edges", _columns(sorted(edges), 4))
    folder.table("sites", _columns(sorted(sites), 5))
    return total


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[k] for row in rows] for k in range(width)]
