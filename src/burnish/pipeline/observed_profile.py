"""What a recording says of results, addresses and memory, for ``profile`` and ``annotate``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from burnish.record.store import Recording

_PREDICTABLE = 0.1
"""The least part of all results that a value, or a stride, must have to be told."""


@dataclass(frozen=True, slots=True)
class ValueProfile:
    """What the result of an instruction was. ``values`` are frequent ones with the part of all results that they were
    at least, 0 to 1, the most frequent first; ``stride`` is the most frequent difference of successive ones, in
    ``strided`` of all steps (0 to 1). ``distinct`` is about how many there were; ``exact``: just so many."""

    address: int
    register: str
    size: int
    count: int
    distinct: int
    exact: bool
    stride: int
    strided: float
    values: tuple[tuple[int, float], ...]

    @property
    def predictable(self) -> float:
        """How good a guess is: the part of the results that is the most frequent value, or follows the stride."""
        return max(self.values[0][1] if self.values else 0.0, self.strided)


@dataclass(frozen=True, slots=True)
class ConstantProfile:
    """Memory that was read and stayed the same: bytes, and how often they were read. ``image`` is the path of the file
    that they belong to, empty for other memory, whose kind ``region`` says."""

    image: str
    region: str
    address: int
    value: bytes
    reads: int
    stored_before: bool


def value_profiles(recording: Recording) -> dict[int, tuple[ValueProfile, ...]]:
    """The results of each function, by its number, in the order of their addresses; empty where none were recorded."""
    if "values" not in recording.tables:
        return {}
    owner = dict(zip(*(recording.blocks.column(n).to_pylist() for n in ("block", "function")), strict=True))
    found: dict[int, list[ValueProfile]] = {}
    for row in recording.to_arrow("values").to_pylist():
        if row["count"]:
            found.setdefault(owner[row["block"]], []).append(_value_profile(row))
    return {
        function: tuple(sorted(rows, key=lambda value: (value.address, value.register)))
        for function, rows in found.items()
    }


def _value_profile(row: dict[str, Any]) -> ValueProfile:
    count: int = row["count"]
    top = [(t["value"], (t["count"] - t["error"]) / count) for t in row["top"]]
    return ValueProfile(
        address=row["address"],
        register=row["register"],
        size=row["size"],
        count=count,
        distinct=row["distinct"],
        exact=row["exact"],
        stride=row["stride"],
        strided=row["strided"] / row["steps"] if row["steps"] else 0.0,
        values=tuple((value, share) for value, share in top if share >= _PREDICTABLE),
    )


def hot_values(values: tuple[ValueProfile, ...]) -> tuple[ValueProfile, ...]:
    """Those that can be predicted and are not the same throughout, the most frequent first."""
    some = [v for v in values if v.predictable >= _PREDICTABLE and v.distinct > 1]
    return tuple(sorted(some, key=lambda v: (-v.count * v.predictable, v.address)))


def constant_profiles(recording: Recording) -> tuple[ConstantProfile, ...]:
    """Memory that stayed the same, what was read most first; of the process that began first, where there are several.
    Empty where stores were not recorded."""
    if "memory" not in recording.tables:
        return ()
    first = next(iter(recording.to_arrow("processes").column("process").to_pylist()), None)
    images = [image.path for image in recording.manifest.images]
    rows = [row for row in recording.constants() if row["process"] == first]
    rows.sort(key=lambda row: (-row["reads"], row["address"]))
    return tuple(
        ConstantProfile(
            "" if row["image"] is None else images[int(row["image"])],
            row["region"] if row["image"] is None else "",
            row["address"],
            row["value"],
            row["reads"],
            row["stored_before"],
        )
        for row in rows
    )


def words_of(value: ValueProfile) -> Iterator[str]:
    """What to say of a result in a few words: the frequent values, or the stride."""
    if value.strided >= max(0.5, value.values[0][1] if value.values else 0.0) and value.stride:
        yield f"{value.stride:+#x} each ({100 * value.strided:.0f} %)"
        return
    for number, share in value.values[:3]:
        yield f"{number:#x} ({100 * share:.0f} %)"
    if not value.values:
        yield f"{'' if value.exact else '~'}{value.distinct:,} values"
