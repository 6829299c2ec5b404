"""``profile --diff``: what two recordings of one program say, side by side."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar, TypeVar

from burnish.core.errors import FunctionNotFoundError, RecordingError, UsageError
from burnish.pipeline.merge import Source, opened_recordings
from burnish.pipeline.profile import FunctionProfile, LoopProfile, profile
from burnish.pipeline.results import Result
from burnish.record.merging import match_images
from burnish.record.store import Recording

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Presence(Enum):
    """In which of two recordings a function is, and whether it is the same there. The value is what people read."""

    SAME = "same code"
    OTHER_CODE = "other code"
    ONLY_FIRST = "only in the first"
    ONLY_SECOND = "only in the second"


@dataclass(frozen=True, slots=True)
class Change:
    """A count in each recording, None where it is not known there; ``ratio`` is the second by the first, None where
    there is no such figure."""

    first: int | None
    second: int | None
    ratio: float | None

    @property
    def size(self) -> int:
        return abs((self.second or 0) - (self.first or 0))


@dataclass(frozen=True, slots=True)
class BlockChange:
    """How often a block was entered, by image address. ``instructions`` are those that it holds."""

    address: int
    instructions: int
    entered: Change


@dataclass(frozen=True, slots=True)
class LoopChange:
    """How often a loop was entered, and how many rounds it went each time (None: it never ran)."""

    address: int
    entered: Change
    first_rounds: float | None
    second_rounds: float | None


@dataclass(frozen=True, slots=True)
class FunctionChange:
    """A function of either recording. ``image`` and ``address`` are of the first that has it. Blocks and loops are
    compared where the code is the same; those that changed most come first."""

    name: str
    image: str
    address: int
    presence: Presence
    calls: Change
    instructions: Change
    blocks: tuple[BlockChange, ...]
    loops: tuple[LoopChange, ...]


@dataclass(frozen=True, slots=True)
class RecordingDiff(Result):
    """Two recordings side by side. ``functions`` whose instructions changed most come first. ``rebuilt`` are files
    that are others in the second: of those, functions are matched by name."""

    verb: ClassVar[str] = "profile --diff"
    first: Path
    second: Path
    first_command: tuple[str, ...]
    second_command: tuple[str, ...]
    rebuilt: tuple[str, ...]
    functions: tuple[FunctionChange, ...]


def diff(first: Source, second: Source) -> RecordingDiff:
    """Compare two recordings of one program. Files are matched by build-id, or path; functions by file and address
    where the code is the same, else by name.

    Raises ``RecordingError`` for what is no recording, and where the two have no file in common.
    """
    left, right = opened_recordings((first, second))
    images = match_images(left.manifest.images, right.manifest.images)
    rebuilt: list[str] = []
    paths = [image.path for image in left.manifest.images]
    for index, image in enumerate(right.manifest.images):
        if index not in images and image.path in paths:
            images[index] = paths.index(image.path)
            rebuilt.append(image.path)
    if not images:
        raise RecordingError(
            f"{left.path} and {right.path} are of different programs: they have no recorded file in common."
        )
    renamed = {right.manifest.images[index].path: paths[other] for index, other in images.items()}
    ours, theirs = _functions(left, {}), _functions(right, renamed)
    changes = [_change(a, b) for a, b in _pairs(ours, theirs)]
    changes.sort(key=lambda row: (-row.instructions.size, row.image, row.address))
    commands = left.manifest.command, right.manifest.command
    return RecordingDiff(left.path, right.path, *commands, tuple(rebuilt), tuple(changes))


def change_of(found: RecordingDiff, name: str) -> FunctionChange:
    """The function of that name, or at that ``0x`` address. Raises ``FunctionNotFoundError``."""
    try:
        address = int(name, 16) if name.lower().startswith("0x") else None
    except ValueError as error:
        raise UsageError(f"{name!r} is no address.") from error
    for row in found.functions:
        if row.name == name or row.address == address:
            return row
    raise FunctionNotFoundError(f"Neither recording has a function {name!r}.")


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of one recording; ``image`` is the path in the first one."""

    image: str
    code: bytes
    profile: FunctionProfile


def _functions(recording: Recording, renamed: Mapping[str, str]) -> list[_Function]:
    images: list[str] = [image.path for image in recording.manifest.images]
    codes: dict[tuple[str, int], bytes] = {}
    for row in recording.functions.to_pylist():
        codes[images[int(row["image"])], int(row["address"])] = row["code"]
    return [
        _Function(renamed.get(row.image, row.image), codes[row.image, row.address], row)
        for row in profile(recording).functions
    ]


def _pairs(
    ours: Iterable[_Function], theirs: Iterable[_Function]
) -> list[tuple[_Function | None, _Function | None]]:
    """Functions of either side with those of the other: by place and code, then by place, then by name."""
    left, right = list(ours), list(theirs)
    found: list[tuple[_Function | None, _Function | None]] = []
    for key in (_place_and_code, _name, _place):
        known = _unique((key(function), function) for function in right)
        for function in list(left):
            other = known.get(key(function))
            if other is not None and other in right:
                found.append((function, other))
                left.remove(function)
                right.remove(other)
    return [*found, *((function, None) for function in left), *((None, function) for function in right)]


def _place(function: _Function) -> tuple[Hashable, ...]:
    return function.image, function.profile.address


def _place_and_code(function: _Function) -> tuple[Hashable, ...]:
    return *_place(function), function.code


def _name(function: _Function) -> tuple[Hashable, ...]:
    return function.image, function.profile.name


def _unique(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, _Value]:
    found: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: values[0] for key, values in found.items() if len(values) == 1}


def _change(first: _Function | None, second: _Function | None) -> FunctionChange:
    a, b = first and first.profile, second and second.profile
    either = first or second
    assert either is not None
    same = first is not None and second is not None and first.code == second.code
    if first is None or second is None:
        presence = Presence.ONLY_SECOND if first is None else Presence.ONLY_FIRST
    else:
        presence = Presence.SAME if same else Presence.OTHER_CODE
    return FunctionChange(
        either.profile.name,
        either.image,
        either.profile.address,
        presence,
        _counts(a and a.calls, b and b.calls),
        _counts(a and a.instructions, b and b.instructions),
        _blocks(a, b) if same and a is not None and b is not None else (),
        _loops(a, b) if same and a is not None and b is not None else (),
    )


def _counts(first: int | None, second: int | None) -> Change:
    return Change(first, second, second / first if first and second is not None else None)


def _blocks(first: FunctionProfile, second: FunctionProfile) -> tuple[BlockChange, ...]:
    """Code that is the same has the same distances; the second may lie elsewhere."""
    moved = first.address - second.address
    counts: dict[tuple[int, int], list[int]] = {}
    for side, (rows, shift) in enumerate(((first.blocks, 0), (second.blocks, moved))):
        for row in rows:
            counts.setdefault((row.address + shift, row.instructions), [0, 0])[side] += row.entered
    found = [BlockChange(*key, _counts(*pair)) for key, pair in counts.items()]
    found.sort(key=lambda row: (-row.entered.size * row.instructions, row.address))
    return tuple(found)


def _loops(first: FunctionProfile, second: FunctionProfile) -> tuple[LoopChange, ...]:
    moved = first.address - second.address
    ours = {row.address: row for row in first.loops}
    theirs = {row.address + moved: row for row in second.loops}

    def passes(row: LoopProfile | None) -> float:
        return row.entered * row.rounds if row else 0.0

    found = [
        (
            abs(passes(theirs.get(address)) - passes(ours.get(address))),
            LoopChange(address, _counts(_entered(a), _entered(b)), a and a.rounds, b and b.rounds),
        )
        for address in sorted({*ours, *theirs})
        for a, b in [(ours.get(address), theirs.get(address))]
    ]
    return tuple(row for _, row in sorted(found, key=lambda pair: -pair[0]))


def _entered(row: LoopProfile | None) -> int:
    return row.entered if row else 0
