"""Inputs for tests from a recording: calls of the original that were captured in a real run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from burnish.core.errors import RecordingError
from burnish.record.entries import Entry
from burnish.record.store import open_recording
from burnish.verify.pair import Pair, Side
from burnish.verify.trials import GivenInput


def recorded_inputs(path: Path) -> Callable[[Pair], Sequence[GivenInput]]:
    """What gives the captured entries of a pair's original, by its name. Raises ``RecordingError`` for what is no
    recording, or has no entries."""
    by_name: dict[str, list[Entry]] = {}
    for entry in open_recording(path).entries():
        by_name.setdefault(entry.function, []).append(entry)
    if not by_name:
        raise RecordingError(f"{path} has no entries; capture them with --what entries.")

    def inputs(pair: Pair) -> Sequence[GivenInput]:
        side = pair.original
        found = [entry for entry in by_name.get(side.name, ()) if _is_of(side, entry)]
        return [GivenInput.of_entry(entry.start, _places(side, entry)) for entry in found]

    return inputs


def _is_of(side: Side, entry: Entry) -> bool:
    """Whether the code in the process was that of the file, as far as the entry has it."""
    base = entry.address - side.function.address
    known = False
    for one in side.function.instructions:
        held = _read(entry, base + one.address, one.size)
        if held is not None and held != side.image.read(one.address, one.size):
            return False
        known = known or held is not None
    return known


def _places(side: Side, entry: Entry) -> dict[str, int]:
    """Where the objects were in the process that the code refers to."""
    base = entry.address - side.function.address
    found = {place.data.name: base + address - place.offset for address, place in side.places.items()}
    for slot, place in side.slots.items():
        pointer = _read(entry, base + slot, 8)
        if pointer is not None:
            found[place.data.name] = int.from_bytes(pointer, "little") - place.offset
    return found


def _read(entry: Entry, address: int, size: int) -> bytes | None:
    try:
        return entry.read(address, size)
    except ValueError:
        return None
