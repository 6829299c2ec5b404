"""What the samples of a recording say of functions and instructions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burnish.record.store import Recording

if TYPE_CHECKING:
    from burnish.pipeline.profile import RecordingProfile


@dataclass(frozen=True, slots=True)
class SampledFunction:
    """A function that samples fell into. ``image`` is a path, or a name in brackets, "" where it is not known;
    ``share`` is of all samples, 0 to 1. ``with_callees`` counts the samples in what it called, too."""

    name: str
    image: str
    samples: int
    share: float
    with_callees: int


def sampled_functions(recording: Recording) -> tuple[SampledFunction, ...]:
    """The functions of the table ``samples``, by name and image, the most frequent first."""
    images = [image.path for image in recording.manifest.images]
    stacks = {row["stack"]: row for row in recording.stacks.to_pylist()}
    own: Counter[tuple[str, str]] = Counter()
    all_: Counter[tuple[str, str]] = Counter()
    for row in recording.samples.to_pylist():
        place = (row["function"], _path(images, row["image"]))
        own[place] += row["count"]
        stack = stacks.get(row["stack"])
        seen = {place}
        if stack is not None:
            frames = zip(stack["functions"], stack["images"], strict=True)
            seen |= {(name, _path(images, image)) for name, image in frames}
        for each in seen:
            all_[each] += row["count"]
    total = max(1, own.total())
    rows = [
        SampledFunction(name, image, own[name, image], own[name, image] / total, count)
        for (name, image), count in all_.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.samples, -row.with_callees, row.name, row.image)))


def _path(images: Sequence[str], index: int | None) -> str:
    return "" if index is None else images[index]


def only_sampled(
    found: RecordingProfile, function: str, functions: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The row of ``functions`` with that name or ``0x`` address, where the recording has no counts of it; else None."""
    counted = {(row.name, row.address) for row in found.functions}
    for row in functions:
        named = row["name"] == function or f"{row['address']:#x}" == function.lower()
        if named and (row["name"], row["address"]) not in counted:
            return row
    return None


def sampled_instructions(recording: Recording, function: Mapping[str, Any]) -> dict[int, int]:
    """Samples at each instruction of a row of the table ``functions``, by image address."""
    low, high = function["address"], function["address"] + function["size"]
    counts: Counter[int] = Counter()
    for row in recording.samples.select(["image", "address", "count"]).to_pylist():
        if row["image"] == function["image"] and row["address"] is not None and low <= row["address"] < high:
            counts[row["address"]] += row["count"]
    return dict(counts)
