"""The code of the recorded functions, as a recording has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from burnish.record.store import Recording


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a function: its number, that of its image, and the image address at which they lie."""

    function: int
    image: int
    address: int
    code: bytes


def pieces(recording: Recording) -> Iterator[Piece]:
    """The code of each function, and after that its parts that lie elsewhere (``.cold``)."""
    images: dict[int, int] = {}
    for row in recording.functions.to_pylist():
        images[row["function"]] = row["image"]
        yield Piece(row["function"], row["image"], row["address"], row["code"])
    if "parts" in recording.tables:
        for row in recording.to_arrow("parts").to_pylist():
            yield Piece(row["function"], images[row["function"]], row["address"], row["code"])
