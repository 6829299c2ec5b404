"""``profile``: what a recording says about where the run spent its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from burnish.analyze.flow import CountedLoop, counted_loops
from burnish.core.entry import ReplayVerdict
from burnish.core.errors import FunctionNotFoundError, UsageError
from burnish.core.recording import Manifest, What
from burnish.pipeline.merge import Source, opened_recordings, with_sum
from burnish.pipeline.observed_profile import (
    ConstantProfile,
    ValueProfile,
    constant_profiles,
    hot_values,
    value_profiles,
)
from burnish.pipeline.results import Result
from burnish.pipeline.sampled import SampledFunction, sampled_functions
from burnish.record.store import Recording


@dataclass(frozen=True, slots=True)
class BlockProfile:
    """A block, by image address, and how often it was entered. ``instructions`` are those that it holds."""

    address: int
    instructions: int
    entered: int


@dataclass(frozen=True, slots=True)
class LoopProfile:
    """A loop by the address of its header. ``entered`` counts ways into it from outside; ``rounds`` is how often its
    header was passed each time, on average."""

    address: int
    entered: int
    rounds: float


@dataclass(frozen=True, slots=True)
class FunctionProfile:
    """A recorded function: ``calls`` (None where they do not follow from what was imported), instructions that it
    executed (its callees' apart), and their part of those of all recorded functions, 0 to 1. ``blocks`` are those that
    were entered, the busiest first, of ``all_blocks``."""

    name: str
    image: str
    address: int
    calls: int | None
    instructions: int
    share: float
    all_blocks: int
    blocks: tuple[BlockProfile, ...]
    loops: tuple[LoopProfile, ...]
    entries: int = 0
    """How many were captured; ``replayed`` of them replay in isolation."""
    replayed: int = 0
    values: tuple[ValueProfile, ...] = ()
    """Results that can be predicted, what pays most first."""


@dataclass(frozen=True, slots=True)
class RecordingProfile(Result):
    """What a recording says. ``functions`` are sorted by instructions executed, most first; ``events`` counts trace
    records. ``others`` are the recordings that were summed up with it."""

    verb: ClassVar[str] = "profile"
    path: Path
    manifest: Manifest
    functions: tuple[FunctionProfile, ...]
    events: int
    others: tuple[Path, ...] = ()
    sampled: tuple[SampledFunction, ...] = ()
    """What samples say, the most frequent first."""
    constants: tuple[ConstantProfile, ...] = ()
    """Memory that was read and stayed the same, what was read most first."""


def profile(recording: Source, *others: Source) -> RecordingProfile:
    """Sum a recording up, or several of one program together.

    Raises ``RecordingError`` for what is none or is damaged, and for recordings of different programs.
    """
    opened = opened_recordings((recording, *others))
    found = with_sum(opened, _profile)
    events = sum(item.events for item in opened if "blocks" in item.manifest.what)
    return replace(found, path=opened[0].path, others=tuple(item.path for item in opened[1:]), events=events)


def _profile(opened: Recording) -> RecordingProfile:
    blocks: dict[int, list[dict[str, Any]]] = {}
    for row in opened.blocks.to_pylist():
        blocks.setdefault(row["function"], []).append(row)
    owner = {row["block"]: row["function"] for rows in blocks.values() for row in rows}
    edges: dict[int, dict[tuple[int, int], int | None]] = {}
    for row in opened.edges.to_pylist():
        edges.setdefault(owner[row["source"]], {})[row["source"], row["target"]] = row["taken"]
    work = {f: sum((row["entered"] or 0) * row["instructions"] for row in rows) for f, rows in blocks.items()}
    total = max(1, sum(work.values()))
    images: list[str] = [image.path for image in opened.manifest.images]
    entries, replayed = _entries(opened)
    values = value_profiles(opened)
    found: list[FunctionProfile] = []
    for row in opened.functions.to_pylist():
        number = row["function"]
        own = blocks.get(number, [])
        if not own and not entries[number]:  # only its code is known
            continue
        found.append(
            FunctionProfile(
                name=row["name"],
                image=images[int(row["image"])],
                address=row["address"],
                calls=_calls(row["address"], own, edges.get(number, {})),
                instructions=work.get(number, 0),
                share=work.get(number, 0) / total,
                all_blocks=len(own),
                blocks=_blocks(own),
                loops=_loops(row["address"], own, edges.get(number, {})),
                entries=entries[number],
                replayed=replayed[number],
                values=hot_values(values.get(number, ())),
            )
        )
    found.sort(key=lambda function: (-function.instructions, function.image, function.address))
    return RecordingProfile(
        opened.path,
        opened.manifest,
        tuple(found),
        0,
        (),
        sampled_functions(opened),
        constant_profiles(opened),
    )


def function_of(found: RecordingProfile, name: str) -> FunctionProfile:
    """The function of that name, or at that ``0x`` address. Raises ``FunctionNotFoundError``."""
    address = None
    if name.lower().startswith("0x"):
        try:
            address = int(name, 16)
        except ValueError as error:
            raise UsageError(f"{name!r} is no address.") from error
    for row in found.functions:
        if row.name == name or row.address == address:
            return row
    raise FunctionNotFoundError(f"{found.path} has no function {name!r}.")


def _entries(recording: Recording) -> tuple[Counter[int], Counter[int]]:
    """How many entries each function has, and how many of them replay."""
    if What.ENTRIES.value not in recording.manifest.what:
        return Counter(), Counter()
    rows = recording.to_arrow("entries").select(["function", "replay"]).to_pylist()
    same = [row["function"] for row in rows if row["replay"] == ReplayVerdict.SAME.value]
    return Counter(row["function"] for row in rows), Counter(same)


def _entry(address: int, blocks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((row for row in blocks if row["address"] == address and row["part"] == 0), None)


def _calls(
    address: int, blocks: Sequence[Mapping[str, Any]], edges: Mapping[tuple[int, int], int | None]
) -> int | None:
    """Entries of the first block that did not come along an edge; None where that is not known."""
    entry = _entry(address, blocks)
    if entry is None:
        return 0
    into = [n for (_, target), n in edges.items() if target == entry["block"]]
    if entry["entered"] is None or None in into:
        return None
    return max(0, entry["entered"] - sum(n or 0 for n in into))


def _blocks(rows: Sequence[Mapping[str, Any]]) -> tuple[BlockProfile, ...]:
    entered = [row for row in rows if row["entered"]]
    entered.sort(key=lambda row: (-row["entered"] * row["instructions"], row["address"], row["part"]))
    return tuple(BlockProfile(row["address"], row["instructions"], row["entered"]) for row in entered)


def _loops(
    address: int, rows: Sequence[Mapping[str, Any]], edges: Mapping[tuple[int, int], int | None]
) -> tuple[LoopProfile, ...]:
    entry = _entry(address, rows)
    if entry is None:
        return ()
    where = {row["block"]: row["address"] for row in rows}
    known = {edge: taken or 0 for edge, taken in edges.items()}
    unsure = {target for (_, target), taken in edges.items() if taken is None}
    loops = counted_loops(entry["block"], known, _calls(address, rows, edges) or 0)
    ran = [loop for loop in loops if (loop.entered or loop.repeated) and loop.header not in unsure]
    ran.sort(key=lambda loop: -loop.repeated)
    return tuple(LoopProfile(where[loop.header], loop.entered, _rounds(loop)) for loop in ran)


def _rounds(loop: CountedLoop) -> float:
    """Passes of the header for each entry; a loop that was entered before its counts began counts as one entry."""
    entered = max(1, loop.entered)
    return (loop.entered + loop.repeated) / entered
