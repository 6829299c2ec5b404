"""callgrind's out files (format version 1): costs by instruction or source line, jumps and calls.

The format is that of valgrind's manual, "Callgrind Format Specification": names are written once with a number, and
positions relative to the line before. Addresses are image addresses already: callgrind subtracts where a file lay.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable

from burnish.core.recording import Counts
from burnish.record.imports.parsed import Jumps, Kind, ParsedRun, Place, Sample, malformed

_HEADER = re.compile(r"([a-z]+):\s*(.*)")
_NAME = re.compile(r"\((\d+)\)(?:\s+(.*))?")
_TABLES = {
    "ob": "ob", "cob": "ob", "fn": "fn", "cfn": "fn", "jfn": "fn", "frfn": "fn",
    "fl": "fl", "fi": "fl", "fe": "fl", "cfi": "fl", "cfl": "fl", "jfi": "fl",
}  # fmt: skip
"""Which numbering the names of each key are in."""
_POSITION = re.compile(r"[+-]?(?:0x[0-9a-fA-F]+|\d+)|\*")
_NAMELESS = re.compile(r"0x[0-9a-f]{16}|\?\?\?")
_DEPTH = re.compile(r"'\d+$")
"""What callgrind puts behind the name of a function for calls from itself."""
_INSTRUCTIONS = "Ir"


def read_callgrind(lines: Iterable[tuple[int, str]], file: str, event: str | None = None) -> ParsedRun:
    """Read numbered lines; ``event`` is the cost that is kept, by default ``Ir`` (instructions executed), or else the
    first. Raises ``ProfileFileError``."""
    reader = _Reader(file, event)
    for number, line in lines:
        reader.read(number, line.strip())
    return reader.finish()


class _Reader:
    def __init__(self, file: str, event: str | None) -> None:
        self._file = file
        self._wanted = event
        self._names: dict[tuple[str, str], str] = {}
        self._now = {"ob": "", "fn": "", "cob": ""}
        self._columns = ["line"]
        self._last = [0]
        self._events: list[str] = []
        self._event = 0
        self._command = ""
        self._totals: int | None = None
        self._call: tuple[int, str, int | None] | None = None
        self._jump: tuple[int, int | None] | None = None
        self._costs: dict[tuple[str, str], Counter[int | None]] = defaultdict(Counter)
        self._jumps: dict[str, Jumps] = defaultdict(Counter)
        self._entries: dict[str, Counter[int]] = defaultdict(Counter)
        self._number = 0

    def read(self, number: int, line: str) -> None:
        """One line."""
        self._number = number
        if not line or line.startswith("#"):
            return
        if line[0] in "0123456789+-*":
            self._cost(line)
            return
        key, equals, value = line.partition("=")
        if equals and key in _TABLES:
            self._set(key, self._name(_TABLES[key], value.strip(), line))
        elif equals and key == "calls":
            self._read_call(value.split(), line)
        elif equals and key in ("jump", "jcnd"):
            self._read_jump(value.split(), line)
        elif equals and key == "rcalls":
            pass
        elif match := _HEADER.match(line):
            self._header(match[1], match[2], line)
        else:
            raise malformed(self._file, number, "is nothing that callgrind writes", line)

    def _set(self, key: str, name: str) -> None:
        match key:
            case "ob" | "fn":
                self._now[key] = name
            case "cob":
                self._now["cob"] = name
            case _:
                pass

    def _name(self, table: str, text: str, line: str) -> str:
        match = _NAME.fullmatch(text)
        if match is None:
            return text
        if match[2] is not None:
            self._names[table, match[1]] = match[2]
        name = self._names.get((table, match[1]))
        if name is None:
            raise malformed(
                self._file, self._number, f"uses the name ({match[1]}), which nothing explains", line
            )
        return name

    def _header(self, key: str, value: str, line: str) -> None:
        match key:
            case "version" if value != "1":
                raise malformed(self._file, self._number, "has a version of the format that is not 1", line)
            case "positions":
                self._columns = value.split()
                if not self._columns or any(word not in ("instr", "bb", "line") for word in self._columns):
                    raise malformed(self._file, self._number, "has unknown positions", line)
                self._last = [0] * len(self._columns)
            case "events":
                self._choose(value.split(), line)
            case "cmd":
                self._command = value
            case "totals" | "summary" if self._totals is None or key == "totals":
                numbers = value.split()
                if len(numbers) > self._event and all(n.isdigit() for n in numbers):
                    self._totals = int(numbers[self._event])
            case _:
                pass

    def _choose(self, events: list[str], line: str) -> None:
        if not events:
            raise malformed(self._file, self._number, "names no event", line)
        self._events = events
        wanted = self._wanted or (_INSTRUCTIONS if _INSTRUCTIONS in events else events[0])
        if wanted not in events:
            raise malformed(self._file, self._number, f"has no event {wanted!r}", line)
        self._event = events.index(wanted)

    def _position(self, word: str, last: int, line: str) -> int:
        if not _POSITION.fullmatch(word):
            raise malformed(self._file, self._number, f"says {word!r} where a position belongs", line)
        if word == "*":
            return last
        number = int(word, 0) if "x" in word else int(word)
        return last + number if word[0] in "+-" else number

    def _positions(self, words: list[str], line: str) -> list[int]:
        if len(words) < len(self._columns):
            raise malformed(self._file, self._number, "ends too early", line)
        pairs = zip(words, self._last, strict=False)
        return [self._position(word, last, line) for word, last in pairs]

    def _read_call(self, words: list[str], line: str) -> None:
        if not words or not words[0].isdigit():
            raise malformed(self._file, self._number, "has no number of calls", line)
        target = self._positions(words[1:], line)
        self._call = (int(words[0]), self._now["cob"] or self._now["ob"], self._address(target))
        self._now["cob"] = ""

    def _read_jump(self, words: list[str], line: str) -> None:
        times = words[0].partition("/")[0] if words else ""
        if not times.isdigit():
            raise malformed(self._file, self._number, "has no number of jumps", line)
        self._jump = (int(times), self._address(self._positions(words[1:], line)))

    def _address(self, positions: list[int]) -> int | None:
        return positions[self._columns.index("instr")] if "instr" in self._columns else None

    def _cost(self, line: str) -> None:
        if not self._events:
            raise malformed(self._file, self._number, "has costs before a line 'events:'", line)
        words = line.split()
        positions = self._positions(words, line)
        self._last = positions
        address = self._address(positions)
        if self._jump is not None:  # where the jump stands
            times, target = self._jump
            self._jump = None
            if address is not None and target is not None:
                self._jumps[self._now["ob"]][address, target] += times
            return
        costs = words[len(self._columns) :]
        if not all(word.isdigit() for word in costs) or len(costs) > len(self._events):
            raise malformed(self._file, self._number, "has costs that are no numbers", line)
        if self._call is not None:  # what the callee did
            times, image, target = self._call
            self._call = None
            if target is not None:
                self._entries[image][target] += times
            return
        cost = int(costs[self._event]) if len(costs) > self._event else 0
        self._costs[self._now["ob"], self._now["fn"]][address] += cost

    def finish(self) -> ParsedRun:
        """What all lines said."""
        if not self._events:
            raise malformed(self._file, self._number, "is the last one, and none says 'events:'")
        name = self._events[self._event]
        exact = name == _INSTRUCTIONS and "instr" in self._columns
        unit = "instructions" if name == _INSTRUCTIONS else name
        run = ParsedRun(Kind.CALLGRIND, unit, Counts.EXACT if exact else Counts.NONE)
        try:
            run.command = tuple(shlex.split(self._command))
        except ValueError:
            run.command = tuple(self._command.split())
        for (image, function), costs in self._costs.items():
            image = "" if image == "???" else image
            function = "" if _NAMELESS.fullmatch(function) else _DEPTH.sub("", function)
            if exact and image:
                own = run.executed.setdefault(image, Counter())
                own.update({address: cost for address, cost in costs.items() if address is not None})
            for address, cost in costs.items():
                if cost:
                    run.samples.append(Sample(None, None, None, (Place(image, address, function),), cost))
        if exact:
            run.jumps = {image: jumps for image, jumps in self._jumps.items() if image in run.executed}
            run.entries = {image: calls for image, calls in self._entries.items() if image in run.executed}
            run.jumps_collected = bool(run.jumps)
        total = sum(sample.weight for sample in run.samples)
        if self._totals is not None and total != self._totals:
            run.notes.append(f"The file says {self._totals:,} {unit} in all; its lines add up to {total:,}.")
        others = [event for event in self._events if event != name]
        if others:
            run.notes.append(f"Only {name} was kept of its costs; left out: {', '.join(others)}.")
        return run
