"""Dependences of a recording by their definition, plainly and slowly: every access is kept with all that was open
around it, and a byte's accesses are compared one with another.

The stack of open calls and loops is rebuilt from the trace in another way than the native walk does it: by recursive
descent. A block's calls are those of its bytes, and each is followed by the callee's blocks, so all functions must be
recorded, and nothing else may call them. Loops are strongly connected parts, their headers the blocks that a
depth-first walk enters first, inner loops what is strongly connected without the header.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from burnish.core.recording import Access, Ending
from burnish.core.structure import Between, Dependence, Hazard
from burnish.machine.disassemble import disassemble
from burnish.record.store import Recording

Region = tuple[int, int | None]
"""A function, or a loop of it: the function's number and the header's, None for the function itself."""


class Level(NamedTuple):
    """One open region at an access: which visit of it, which round, and how many calls of the region's own code have
    begun or ended in that round. An odd number: in a call."""

    region: Region
    visit: int
    round: int
    part: int


class Made(NamedTuple):
    """An access."""

    site: int
    stack: tuple[Level, ...]


@dataclass(slots=True)
class Visited:
    """A region that is open."""

    region: Region
    visit: int
    round: int = 0
    part: int = 0


@dataclass(slots=True)
class Row:
    """A dependence being counted: the sinks, by number, and the rounds in which they were."""

    least: int = 0
    most: int = 0
    sinks: set[int] = field(default_factory=set[int])
    rounds: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])


@dataclass(slots=True)
class Counted:
    """What is known of a region: visits, rounds, rounds that read what an earlier one wrote, and the numbers of rounds
    of all visits."""

    entered: int = 0
    rounds: int = 0
    conflicts: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    trips: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def nested_loops(entry: int, following: Mapping[int, Sequence[int]]) -> dict[int, frozenset[int]]:
    """The loops that ``entry`` reaches, by their headers, each with its blocks."""
    order: dict[int, int] = {}

    def walk(block: int) -> None:
        order[block] = len(order)
        for target in following.get(block, ()):
            if target not in order:
                walk(target)

    walk(entry)
    found: dict[int, frozenset[int]] = {}

    def reached(block: int, inside: frozenset[int]) -> frozenset[int]:
        seen: set[int] = set()
        work = [block]
        while work:
            for target in following.get(work.pop(), ()):
                if target in inside and target not in seen:
                    seen.add(target)
                    work.append(target)
        return frozenset(seen)

    def split(inside: frozenset[int]) -> None:
        to = {block: reached(block, inside) for block in inside}
        parts = {frozenset(b for b in to[a] if a in to[b]) for a in inside if a in to[a]}
        for part in parts:
            header = min(part, key=lambda block: order[block])
            found[header] = part
            split(part - {header})

    split(frozenset(order))
    return found


class CutOffError(Exception):
    """The trace ends within a function."""


class Reference:
    """The dependences of a recording, and what its regions did. A trace may end anywhere."""

    def __init__(self, recording: Recording) -> None:
        self._blocks: dict[int, dict[str, Any]] = {r["block"]: r for r in recording.blocks.to_pylist()}
        functions = {r["function"]: r for r in recording.functions.to_pylist()}
        self._entry: dict[int, int] = {}  # function to block
        for number, row in self._blocks.items():
            if not row["part"] and row["address"] == functions[row["function"]]["address"]:
                self._entry[row["function"]] = number
        self._starts = {block: function for function, block in self._entry.items()}
        self._after: dict[int, list[int]] = defaultdict(list)
        for row in recording.edges.to_pylist():
            self._after[row["source"]].append(row["target"])
        self._loops: dict[int, list[tuple[int, frozenset[int]]]] = {}
        for function, entry in self._entry.items():
            loops = nested_loops(entry, self._after).items()
            self._loops[function] = sorted(loops, key=lambda loop: -len(loop[1]))
        self._sites: dict[int, dict[str, Any]] = {}
        self._plans: dict[int, list[tuple[str, int]]] = {number: [] for number in self._blocks}
        self._plan(recording, functions)
        self._stack: list[Visited] = []
        self._visits = self._accesses = 0
        self._written: dict[int, Made] = {}
        self._read: dict[int, list[Made]] = defaultdict(list)
        self.rows: dict[tuple[Hazard, Between, int, int, Region | None], Row] = defaultdict(Row)
        self.regions: dict[Region, Counted] = defaultdict(Counted)
        for process, thread in recording.traced_threads():
            self._thread(recording, process, thread)

    def dependences(self, numbers: Mapping[Region, int]) -> frozenset[Dependence]:
        """All dependences; ``numbers`` are those that the structure gives to regions."""
        return frozenset(
            Dependence(
                hazard,
                between,
                source,
                sink,
                None if region is None else numbers[region],
                row.least,
                row.most,
                len(row.sinks),
                len(row.rounds),
            )
            for (hazard, between, source, sink, region), row in self.rows.items()
        )

    def _plan(self, recording: Recording, functions: Mapping[int, Mapping[str, Any]]) -> None:
        """What each block does, in order: accesses, by site, and calls of recorded functions."""
        by_address = {(row["image"], row["address"]): number for number, row in functions.items()}
        done: dict[int, list[tuple[int, int, str, int]]] = defaultdict(list)
        # What a function has at fixed places of its own frame is in the table, but has no records.
        seen = {
            int(site) for thread in recording.traced_threads() for site in recording.accesses(*thread)["site"]
        }
        for row in recording.to_arrow("sites").to_pylist():
            if row["site"] not in seen:
                continue
            self._sites[row["site"]] = row
            done[row["block"]].append((row["address"], row["site"], "access", row["site"]))
        calls: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, function in functions.items():
            for line in disassemble(function["code"], function["address"]):
                called = by_address.get((function["image"], line.target)) if line.raw[0] == 0xE8 else None
                if called is not None:
                    calls[number].append((line.address, called))
        for number, block in self._blocks.items():
            for address, called in calls[block["function"]]:
                if block["address"] <= address < block["address"] + block["size"]:
                    done[number].append((address, 1 << 32, "call", called))
            self._plans[number] = [(what, which) for _, _, what, which in sorted(done[number])]

    # The trace, by recursive descent.

    def _thread(self, recording: Recording, process: int, thread: int) -> None:
        words = (int(w) for piece in recording.record_chunks(process, thread) for w in piece)
        records = _Peeking(words)
        self._written.clear()
        self._read.clear()
        try:
            while (first := records.block()) is not None:
                self._call(self._starts[first], records)
        except CutOffError:
            self._close(0)

    def _call(self, function: int, records: _Peeking) -> None:
        depth = len(self._stack)
        self._open((function, None))
        block = records.take_block()
        if block != self._entry[function]:
            raise ValueError(f"block {block} is not the entry of function {function}")
        while True:
            self._enter(function, block, depth)
            for what, which in self._plans[block]:
                if what == "call":
                    self._stack[-1].part += 1
                    self._call(which, records)
                    self._stack[-1].part += 1
                else:
                    self._access(which, records)
            ending = Ending(self._blocks[block]["ending"])
            if ending is Ending.RETURN:
                break
            if ending is Ending.TAIL_CALL:
                self._close(depth)
                following = records.block()
                if following is None:
                    raise CutOffError
                self._call(self._starts[following], records)
                return
            following = records.take_block()
            if following not in self._after[block]:
                raise ValueError(f"block {following} does not follow block {block}")
            block = following
        self._close(depth)

    def _open(self, region: Region) -> None:
        self._visits += 1
        self._stack.append(Visited(region, self._visits))
        self.regions[region].entered += 1

    def _close(self, depth: int) -> None:
        for visited in self._stack[depth:]:
            row = self.regions[visited.region]
            row.rounds += visited.round + 1
            row.trips[visited.round + 1] += 1
        del self._stack[depth:]

    def _enter(self, function: int, block: int, depth: int) -> None:
        around = [(header, blocks) for header, blocks in self._loops[function] if block in blocks]
        inside = {(function, header) for header, _ in around}
        keep = depth + 1
        while keep < len(self._stack) and self._stack[keep].region in inside:
            keep += 1
        self._close(keep)
        if keep > depth + 1 and self._stack[-1].region == (function, block):
            self._stack[-1].round += 1
            self._stack[-1].part = 0
        for header, _ in around[keep - depth - 1 :]:
            self._open((function, header))

    # Accesses.

    def _access(self, site: int, records: _Peeking) -> None:
        row = self._sites[site]
        value = records.take_access(site)
        match Access(row["access"]):
            case Access.LOAD:
                self._touch(site, value, row["size"], write=False)
            case Access.STORE:
                self._touch(site, value, row["size"], write=True)
            case Access.STRING_TARGET:
                self._target = (site, value)
            case Access.STRING_SOURCE:
                self._source: tuple[int, int] | None = (site, value)
            case Access.STRING_BYTES:
                if getattr(self, "_source", None) is not None:
                    assert self._source is not None
                    self._touch(*self._source, value, write=False)
                self._touch(*self._target, value, write=True)
                self._source = None

    def _touch(self, site: int, address: int, size: int, write: bool) -> None:
        self._accesses += 1
        stack = tuple(Level(v.region, v.visit, v.round, v.part) for v in self._stack)
        now = Made(site, stack)
        for byte in range(address, address + size):
            earlier = self._written.get(byte)
            if earlier is not None:
                self._note(Hazard.WAW if write else Hazard.RAW, [earlier], now)
            if write:
                self._note(Hazard.WAR, self._read.pop(byte, ()), now)
                self._written[byte] = now
            else:
                self._read[byte].append(now)

    def _note(self, hazard: Hazard, sources: Iterable[Made], sink: Made) -> None:
        """A sink and all that it follows at one byte: of those that part from it at one place, the nearest counts."""
        nearest: dict[tuple[Between, int, Level | None], int] = {}
        for source in sources:
            between, level, distance = parted(source.stack, sink.stack)
            key = (between, source.site, level)
            nearest[key] = min(distance, nearest.get(key, distance))
        for (between, site, level), distance in nearest.items():
            region = None if level is None else level.region
            row = self.rows[hazard, between, site, sink.site, region]
            row.least = min(row.least, distance) if row.sinks else distance
            row.most = max(row.most, distance)
            row.sinks.add(self._accesses)
            if level is not None:
                row.rounds.add((level.visit, level.round))
                if hazard is Hazard.RAW and between is Between.ROUNDS:
                    self.regions[level.region].conflicts.add((level.visit, level.round))


def parted(source: Sequence[Level], sink: Sequence[Level]) -> tuple[Between, Level | None, int]:
    """Where two accesses part: how, at which of the sink's levels, and how many rounds are between them."""
    last: Level | None = None
    for index, level in enumerate(sink):
        if index == len(source) or source[index].visit != level.visit:
            break
        other, last = source[index], level
        if other.round != level.round:
            return Between.ROUNDS, level, level.round - other.round
        if other.part != level.part and (other.part % 2 or level.part % 2):
            if not other.part % 2:
                return Between.OWN_TO_CALL, level, 0
            return (Between.CALL_TO_CALL if level.part % 2 else Between.CALL_TO_OWN), level, 0
    return Between.INSIDE, last, 0


class _Peeking:
    """Records of a thread, with a look at the next one."""

    def __init__(self, words: Iterator[int]) -> None:
        self._words = words
        self._next = next(words, None)

    def block(self) -> int | None:
        """The block that is next; None at the end. Raises ``ValueError`` where an access is."""
        if self._next is None:
            return None
        if self._next >> 48 != 0xFFFF:
            raise ValueError(f"an access of site {self._next >> 48} where a block was expected")
        return self._next & 0xFFFFFFFF

    def take_block(self) -> int:
        """The same, taken; there must be one."""
        found = self.block()
        if found is None:
            raise CutOffError
        self._next = next(self._words, None)
        return found

    def take_access(self, site: int) -> int:
        """What the record of that site says, which must be next."""
        if self._next is None:
            raise CutOffError
        if self._next >> 48 != site:
            raise ValueError(f"no access of site {site} where there must be one: {self._next}")
        value = self._next & ((1 << 48) - 1)
        self._next = next(self._words, None)
        return value
