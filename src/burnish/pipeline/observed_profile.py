"""What a recording says of results, addresses and memory, for ``profile`` and ``annotate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from burnish.core.recording import Access, What
from burnish.record.store import Recording

_MOST_STEPS = 8
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
    images: list[str] = [image.path for image in recording.manifest.images]
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


@dataclass(frozen=True, slots=True)
class AccessProfile:
    """What an instruction accessed: how (``core.recording.Access``), bytes, how often, the lowest and the highest
    address in the run, and the most frequent difference of successive ones, in ``strided`` of all steps (0 to 1)."""

    address: int
    access: str
    size: int
    count: int
    lowest: int
    highest: int
    stride: int
    strided: float


@dataclass(slots=True)
class _Seen:
    """Of one site: successive addresses, of all threads, a piece at a time."""

    count: int = 0
    lowest: int = 1 << 64
    highest: int = 0
    steps: Counter[int] = field(default_factory=Counter[int])

    def take(self, addresses: npt.NDArray[np.uint64]) -> None:
        self.count += len(addresses)
        self.lowest = min(self.lowest, int(addresses.min()))
        self.highest = max(self.highest, int(addresses.max()))
        steps, counts = np.unique(np.diff(addresses).view(np.int64), return_counts=True)
        for index in np.argsort(-counts)[:_MOST_STEPS].tolist():
            self.steps[int(steps[index])] += int(counts[index])


def access_profiles(recording: Recording, function: int) -> tuple[AccessProfile, ...]:
    """What the instructions of a function accessed, by address; empty where addresses were not recorded. A string
    instruction's bytes are left out."""
    if What.MEMORY.value not in recording.manifest.what or "sites" not in recording.tables:
        return ()
    own = {row["block"] for row in recording.blocks.to_pylist() if row["function"] == function}
    sites = {
        row["site"]: row
        for row in recording.to_arrow("sites").to_pylist()
        if row["block"] in own and row["access"] != Access.STRING_BYTES.value
    }
    seen = {site: _Seen() for site in sites}
    for process, thread in recording.traced_threads():
        for part in recording.access_chunks(process, thread):
            order = np.argsort(part["site"], kind="stable")
            numbers, starts = np.unique(part["site"][order], return_index=True)
            pieces = np.split(part["address"][order], starts[1:])
            for site, addresses in zip(numbers.tolist(), pieces, strict=True):
                if site in seen:
                    seen[site].take(addresses)
    found = [_access_profile(sites[site], of_it) for site, of_it in seen.items() if of_it.count]
    return tuple(sorted(found, key=lambda row: (row.address, row.access)))


def _access_profile(row: dict[str, Any], seen: _Seen) -> AccessProfile:
    stride, times = max(seen.steps.items(), key=lambda pair: pair[1], default=(0, 0))
    share = times / (seen.count - 1) if seen.count > 1 else 0.0
    return AccessProfile(
        row["address"], row["access"], row["size"], seen.count, seen.lowest, seen.highest, stride, share
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
