"""What a recording says of its code, as arrays by block, loop and site: the static half of an execution's
structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnish._native import NestProgram
from burnish.analyze.loop_forest import ForestLoop, innermost, loop_forest
from burnish.core.recording import Access, Ending
from burnish.record.calls import Outgoing, outgoing_calls
from burnish.record.store import Recording

NONE = 0xFFFFFFFF
"""No loop, no block."""
_MANY = 1 << 16
_ENDINGS = {Ending.RETURN: 1, Ending.TAIL_CALL: 2, Ending.STOPS: 3}
_ACCESSES = {
    Access.LOAD: 1,
    Access.STORE: 2,
    Access.STRING_TARGET: 3,
    Access.STRING_SOURCE: 4,
    Access.STRING_BYTES: 5,
}


@dataclass(frozen=True, slots=True)
class StaticLoop:
    """A loop of a recorded function: its number and that of its function, the numbers of its header and its blocks
    (inner loops' included), the number of the loop around it, and its depth (1: outermost)."""

    number: int
    function: int
    header: int
    blocks: frozenset[int]
    parent: int | None
    depth: int


@dataclass(frozen=True, slots=True)
class Program:
    """Code of a recording. ``blocks``, ``functions`` and ``sites`` are rows of its tables by number, ``following``
    the successors of each block, ``calls`` how many recorded functions it may call."""

    blocks: Mapping[int, Mapping[str, Any]]
    functions: Mapping[int, Mapping[str, Any]]
    sites: Mapping[int, Mapping[str, Any]]
    entries: Mapping[int, int]
    """Function to its first block."""
    following: Mapping[int, tuple[int, ...]]
    taken: Mapping[tuple[int, int], int]
    """How often each edge was taken, by the blocks at its ends."""
    calls: Mapping[int, int]
    loops: tuple[StaticLoop, ...]
    loop_of: Mapping[int, int]
    """Block to the innermost loop that it is in."""
    members: Mapping[int, frozenset[int]]
    """Function to its blocks."""

    def blocks_of(self, function: int) -> frozenset[int]:
        """The blocks of a function."""
        return self.members.get(function, frozenset())

    def native(self) -> NestProgram:
        """The same for the native core."""
        found = NestProgram()
        size = max(self.blocks, default=-1) + 1
        rows = [self.blocks.get(number) for number in range(size)]
        headers = {loop.header for loop in self.loops}
        first_blocks = set(self.entries.values())
        found.function = [row["function"] if row else 0 for row in rows]
        found.loop = [self.loop_of.get(number, NONE) for number in range(size)]
        found.header = [int(number in headers) for number in range(size)]
        found.entry = [int(number in first_blocks) for number in range(size)]
        found.ending = [_ENDINGS.get(Ending(row["ending"]), 0) if row else 3 for row in rows]
        found.calls = [self.calls.get(number, 0) for number in range(size)]
        found.instructions = [row["instructions"] if row else 0 for row in rows]
        starts, targets = [0], list[int]()
        for number in range(size):
            targets += self.following.get(number, ())
            starts.append(len(targets))
        found.first_successor, found.successors = starts, targets
        found.parent = [NONE if loop.parent is None else loop.parent for loop in self.loops]
        sites = [self.sites.get(number) for number in range(max(self.sites, default=-1) + 1)]
        found.site_block = [row["block"] if row else NONE for row in sites]
        found.site_kind = [_ACCESSES[Access(row["access"])] if row else 0 for row in sites]
        found.site_size = [row["size"] if row else 0 for row in sites]
        found.functions = max(self.functions, default=-1) + 1
        return found


def program_of(recording: Recording) -> Program:
    """The code of a recording. Raises ``RecordingError`` where a table is missing or damaged."""
    blocks = {row["block"]: row for row in recording.blocks.to_pylist()}
    functions = {row["function"]: row for row in recording.functions.to_pylist()}
    members: dict[int, set[int]] = {}
    for number, row in blocks.items():
        members.setdefault(row["function"], set()).add(number)
    following: dict[int, tuple[int, ...]] = {}
    taken: dict[tuple[int, int], int] = {}
    for row in recording.edges.to_pylist():
        source, target = row["source"], row["target"]
        if (source, target) not in taken:  # several cases of a switch may lead to one block
            following[source] = (*following.get(source, ()), target)
        taken[source, target] = taken.get((source, target), 0) + (row.get("taken") or 0)
    entries = {
        row["function"]: number
        for number, row in sorted(blocks.items())
        if row["part"] == 0 and row["address"] == functions[row["function"]]["address"]
    }
    sites: list[dict[str, Any]] = (
        recording.to_arrow("sites").to_pylist() if "sites" in recording.tables else []
    )
    loops = _loops(entries, following)
    made = outgoing_calls(list(functions.values()), list(blocks.values()))
    return Program(
        blocks,
        functions,
        {row["site"]: row for row in sites},
        entries,
        following,
        taken,
        {block: _calls(calls) for block, calls in made.items()},
        loops,
        innermost([ForestLoop(loop.header, loop.blocks, loop.parent) for loop in loops]),
        {function: frozenset(found) for function, found in members.items()},
    )


def _loops(entries: Mapping[int, int], following: Mapping[int, tuple[int, ...]]) -> tuple[StaticLoop, ...]:
    found: list[StaticLoop] = []
    for function, entry in sorted(entries.items()):
        base = len(found)
        for loop in loop_forest(entry, following):
            parent = None if loop.parent is None else base + loop.parent
            depth = 1 if parent is None else found[parent].depth + 1
            found.append(StaticLoop(len(found), function, loop.header, loop.blocks, parent, depth))
    return tuple(found)


def _calls(outgoing: tuple[Outgoing, ...]) -> int:
    """How many recorded functions the call instructions of a block may call, one after another."""
    return sum((_MANY if call.repeats else 1) for call in outgoing if call.targets is None or call.targets)
