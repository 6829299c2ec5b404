"""The structure of an execution as text: loops and recursion with their parallelism, and superblocks."""

from __future__ import annotations

from collections.abc import Iterator

from burnish.core.superblocks import Finding, Recurrence, Superblock
from burnish.pipeline.superblocks import RegionSummary, Superblocks
from burnish.report.tables import Column, print_line, print_table
from burnish.report.words import kind_text

_FORM = 60
_SUPERBLOCKS = 20
_REGIONS = 20
_LEAST_SHARE = 0.001


def print_superblocks(found: Superblocks, *, everything: bool = False) -> None:
    """Print what was found: first what can run in parallel, then superblocks, then what stands in the way of the
    hottest. ``everything`` leaves nothing out; else cold regions are."""
    print_line(
        f"{found.recording}: {found.instructions:,} instructions in {found.blocks:,} blocks, "
        f"speed-ups predicted for {found.cores} cores"
    )
    for warning in found.warnings:
        print_line(f"warning: {warning}")
    regions = {region.region: region for region in found.regions}
    shown = [one for one in found.findings if everything or regions[one.region].share >= _LEAST_SHARE]
    cut = len(found.findings) - len(shown)
    if not everything and len(shown) > _REGIONS:
        cut += len(shown) - _REGIONS
        shown = shown[:_REGIONS]
    print_line("")
    print_table(
        (
            Column("loop or recursion"),
            Column("where"),
            Column("share", right=True),
            Column("rounds", right=True),
            Column("a visit", right=True),
            Column("parallelism"),
            Column("conflicts", right=True),
            Column("speed-up", right=True),
            Column("whole run", right=True),
        ),
        [_row(regions[one.region], one) for one in shown],
    )
    if cut:
        print_line(f"{cut} more that are colder: --all shows them")
    _print_blocks(found, everything=everything)
    for one in shown:
        lines = list(_details(regions[one.region], one))
        if lines:
            print_line("")
            print_line(f"{_name(regions[one.region])}, {one.kind.value}:")
            for line in lines:
                print_line(f"  {line}")


def _row(region: RegionSummary, finding: Finding) -> tuple[str, ...]:
    visits = sum(visits for _, visits in region.trips)
    mean = region.rounds / visits if visits else 0.0
    constant = len(region.trips) == 1
    best = finding.predictions[-1].speedup if finding.predictions else 1.0
    return (
        ("  " * max(0, region.depth - 1)) + _name(region),
        region.source or f"{region.address:#x}",
        _share(region.share),
        f"{region.rounds:,}",
        "" if not region.loop else f"{mean:.0f}" if constant else f"{mean:.1f}",
        kind_text(finding),
        _share(finding.conflicts) if finding.conflicts else "",
        f"{best:.2f}×",
        f"{finding.gain:.2f}×",
    )


def _name(region: RegionSummary) -> str:
    return f"{region.function} loop {region.address:#x}" if region.loop else f"{region.function} (recursion)"


def _details(region: RegionSummary, finding: Finding) -> Iterator[str]:
    yield f"order: {_short(region.form)}"
    if finding.flow.live_in or finding.flow.live_out:
        yield f"registers: in {_list(finding.flow.live_in)}; out {_list(finding.flow.live_out)}"
    known = [one for one in finding.flow.carried if one.step is not None]
    if known:
        yield "known beforehand: " + ", ".join(f"{' and '.join(one.place)} ({one.step:+d})" for one in known)
    recent = [one for one in finding.flow.carried if one.kind is Recurrence.RECENT]
    if recent:
        places = ", ".join(f"{' and '.join(one.place)} ({one.distance})" for one in recent)
        yield f"computed again from what the last rounds read: {places}"
    if finding.private:
        yield f"a copy for each round: what {len(finding.private)} stores write"
    memory = [one for one in finding.ranges if one.strides is not None]
    for one in memory[:4]:
        assert one.strides is not None
        strides = ", ".join(f"{stride:+d}" for stride in one.strides)
        yield (
            f"memory: {'store' if one.store else 'load'} of {_bytes(one.size)}, by {strides} a round, "
            f"in {_bytes(one.end - one.least)} of {one.object}"
        )
    if len(finding.ranges) > 4:
        yield f"memory: {len(finding.ranges) - min(4, len(memory))} more places"
    for text in finding.obstacles:
        yield f"in the way: {text}"


def _print_blocks(found: Superblocks, *, everything: bool) -> None:
    shown = found.superblocks if everything else found.superblocks[:_SUPERBLOCKS]
    if not shown:
        return
    regions = {region.region: region for region in found.regions}
    print_line("")
    print_table(
        (
            Column("superblock"),
            Column("in"),
            Column("share", right=True),
            Column("blocks", right=True),
            Column("exits", right=True),
            Column("order"),
            Column("memory"),
            Column("independent of"),
        ),
        [_block_row(one, regions[one.region]) for one in shown],
    )
    if len(found.superblocks) > len(shown):
        print_line(f"{len(found.superblocks) - len(shown)} more superblocks: --all shows them")


def _block_row(one: Superblock, region: RegionSummary) -> tuple[str, ...]:
    rare = sum(way.biased for way in one.exits)
    ordered = " (ordered effects)" if one.ordered else ""
    return (
        f"s{one.number}{ordered}",
        f"{region.function} loop {region.address:#x}" if region.loop else region.function,
        _share(one.share),
        f"{len(one.blocks)}" + (f" + {len(one.inner)} loops" if one.inner else ""),
        f"{len(one.exits)}" + (f", {rare} rare" if rare else ""),
        _short(one.form),
        _list(one.objects),
        " ".join(f"s{number}" for number in one.independent_of[:8]),
    )


def _share(part: float) -> str:
    return f"{part:.1%}"


def _short(text: str) -> str:
    return text if len(text) <= _FORM else text[: _FORM - 1] + "…"


def _list(names: tuple[str, ...]) -> str:
    return " ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "none"


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"
