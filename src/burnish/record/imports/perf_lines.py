"""The lines of ``perf script``: headers of samples, frames, events and branch stacks, as perf prints them.

Which fields a line has depends on ``-F``; what perf prints by default and with ``-F +brstack``, ``+brstacksym``,
``+symoff``, ``+dsoff``, ``+pid`` or only ``ip,sym`` and the like is understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_HEADER = re.compile(
    r"""\s*(?P<comm>\S.*?)\s+(?P<first>-?\d+)(?:/\s*(?P<second>-?\d+))?\s+
    (?:\[(?P<cpu>\d+)\]\s+)?(?:[^\s:]{4,5}\s+)?(?:(?P<time>\d+\.\d+):\s*)?
    (?:(?P<period>\d+)\s+)?(?:(?P<event>\S+):(?:\s+|$))?(?P<rest>.*)""",
    re.VERBOSE,
)
_FRAME = re.compile(r"\s*(?P<address>[0-9a-f]+)(?:\s+(?P<text>\S.*))?$")
_SHIFTED = re.compile(r"(?P<address>[0-9a-f]{6,16})\s+(?P<text>\S.*)$")
_OFFSET = re.compile(r"(?P<name>.*)\+(?P<offset>0x[0-9a-f]+)$")
_FLAGS = re.compile(r"/(?P<flags>[MPN-]{1,2})/[X-]/[A-]/\d+(?:/[A-Z_0-9-]*)*(?=\s|$)")
_END = re.compile(r"(?:0x[0-9a-f]+|\[unknown\])(?:\((?P<dso>[^()]*(?:\([^()]*\))?[^()]*)\))?(?=/|$)")
_MMAP = re.compile(
    r"PERF_RECORD_MMAP2? (?P<process>-?\d+)/-?\d+: \[(?P<start>(?:0x)?[0-9a-f]+)\((?P<size>(?:0x)?[0-9a-f]+)\) @ "
    r"(?P<offset>(?:0x)?[0-9a-f]+)(?P<rest>[^\]]*)\]: (?P<access>\S+) (?P<path>.*)"
)
_BUILD_ID = re.compile(r"<([0-9a-f]{8,64})>")
_FORK = re.compile(r"PERF_RECORD_FORK\((?P<process>\d+):(?P<thread>\d+)\):\((?P<parent>\d+):\d+\)")
_EXEC = re.compile(r"PERF_RECORD_COMM exec: .*:(?P<process>\d+)/\d+")
_SOURCE = re.compile(r"\s+\S+:\d+$")
"""The line that ``-F +srcline`` adds."""
_IP_COLUMN = 16
"""An address is right-aligned to at least this column; a process number is not."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a sample. ``process`` or ``thread`` is None where the line does not say it; ``rest`` is what
    stands behind the event."""

    command: str
    process: int | None
    thread: int | None
    time_ns: int | None
    event: str
    rest: str


class Spot(NamedTuple):
    """A place as perf prints it. ``address`` is as printed: of the process, or in the file (callers, from perf 5 on).
    ``offset`` is that from the start of ``name``; ``in_file`` an offset in the file."""

    address: int | None
    name: str = ""
    offset: int | None = None
    dso: str = ""
    in_file: int | None = None


class Jump(NamedTuple):
    """An entry of a branch stack. ``taken`` is false for branches that fell through, which some processors list."""

    source: Spot
    target: Spot
    taken: bool


class MapEvent(NamedTuple):
    """A file was mapped; ``build_id`` is "" where perf does not say it."""

    process: int
    start: int
    end: int
    offset: int
    path: str
    executable: bool
    build_id: str


class ForkEvent(NamedTuple):
    """A thread began; in a process of its own where ``process`` and ``parent`` differ."""

    process: int
    thread: int
    parent: int


class ExecEvent(NamedTuple):
    """A process executes another program."""

    process: int


Event = MapEvent | ForkEvent | ExecEvent


def header(line: str) -> Header | None:
    """The line as the first one of a sample with time or event; None where it is none."""
    match = _HEADER.match(line)
    if match is None or (match["time"] is None and match["event"] is None):
        return None
    first, second = match["first"], match["second"]
    process = None if second is None else _number(first)
    thread = _number(first if second is None else second)
    time = None if match["time"] is None else nanoseconds(match["time"])
    return Header(match["comm"], process, thread, time, match["event"] or "", match["rest"])


def _number(word: str) -> int | None:
    """A process or thread; perf writes -1 where it does not know."""
    return None if word.startswith("-") else int(word)


def nanoseconds(seconds: str) -> int:
    """``12.000345`` as nanoseconds, exactly."""
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part[:9].ljust(9, "0"))


def frame(line: str) -> Spot | None:
    """The line as an address with what perf knows of it; None where it is none."""
    match = _FRAME.match(line.rstrip())
    if match is None:
        return None
    address, text = match["address"], match["text"] or ""
    shifted = _SHIFTED.match(text)
    if shifted is not None:  # with -F +addr the data's address comes first
        address, text = shifted["address"], shifted["text"]
    return described(int(address, 16), text)


def described(address: int | None, text: str) -> Spot:
    """``name+0x12 (/path)`` as a spot; any part may be missing."""
    name, dso = _split_dso(text.strip())
    in_file = offset = None
    match = _OFFSET.match(dso)
    if match is not None:
        dso, in_file = match["name"], int(match["offset"], 16)
    match = _OFFSET.match(name)
    if match is not None:
        name, offset = match["name"], int(match["offset"], 16)
    return Spot(
        address, "" if name == "[unknown]" else name, offset, "" if dso == "[unknown]" else dso, in_file
    )


def _split_dso(text: str) -> tuple[str, str]:
    """A name, and what stands in the brackets behind it. Brackets of the name itself have no space before them."""
    if not text.endswith(")"):
        return text, ""
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        depth += (text[index] == ")") - (text[index] == "(")
        if depth == 0:
            if index == 0 or text[index - 1] == " ":
                return text[:index].rstrip(), text[index + 1 : -1]
            break
    return text, ""


def jumps(text: str) -> tuple[str, list[Jump]] | None:
    """The branch stack in ``text``, newest jump first, and what stands before it. None where something in it is no
    entry. No entries where there is no branch stack at all."""
    marks = list(_FLAGS.finditer(text))
    if not marks:
        return text, []
    found: list[Jump] = []
    before = ""
    begin = 0
    for index, mark in enumerate(marks):
        entry = text[begin : mark.start()]
        if index == 0:
            before, entry = _first_entry(entry)
        pair = _pair(entry.strip())
        if pair is None:
            return None
        found.append(Jump(*pair, not mark["flags"].endswith("N") or mark["flags"] == "N"))
        begin = mark.end()
    return (before, found) if not text[begin:].strip() else None


def _first_entry(text: str) -> tuple[str, str]:
    """What stands before the first entry of a branch stack, and the entry. Entries are two spaces apart, or one."""
    if match := re.search(r"(?:^|\s)(0x[0-9a-f]+(?:\([^()]*\))?/0x[0-9a-f]+(?:\([^()]*\))?)$", text):
        return text[: match.start()], match[1]
    head = re.match(r"\s*[0-9a-f]+\s+(?:.*? \([^()]*\)\s+|\S+\+0x[0-9a-f]+\s+)?", text)
    return (text[: head.end()], text[head.end() :]) if head is not None else ("", text)


def _pair(entry: str) -> tuple[Spot, Spot] | None:
    """``from/to`` as two spots. Names may hold slashes, so that the end of the first is looked for."""
    first = _END.search(entry)
    if first is None or first.end() >= len(entry):
        return None
    source, target = _end(entry[: first.end()]), _end(entry[first.end() + 1 :])
    return None if source is None or target is None else (source, target)


def _end(text: str) -> Spot | None:
    match = _END.search(text)
    if match is None or match.end() != len(text):
        return None
    dso = match["dso"] or ""
    plain = text[: len(text) - len(dso) - 2] if match["dso"] is not None else text
    if plain.startswith("0x") and "+" not in plain:
        return Spot(int(plain, 16), "", None, "" if dso == "[unknown]" else dso)
    return described(None, plain)._replace(dso="" if dso == "[unknown]" else dso)


def bare(line: str) -> tuple[int | None, Spot | None]:
    """The start of a sample without a header (``-F ip,…``, ``-F pid,ip,…``): process and place, as far as they are
    there."""
    words = list(re.finditer(r"\S+", line))
    if not words:
        return None, None
    first = words[0]
    number = first[0].isdigit() and first.end() < _IP_COLUMN
    if number and len(words) == 1:
        return int(first[0]), None
    if number and re.fullmatch(r"[0-9a-f]+", words[1][0]):
        return int(first[0]), frame(line[first.end() :])
    return None, frame(line)


def event(line: str) -> Event | None:
    """A ``PERF_RECORD_`` line that says what lies where; None for the others."""
    if (match := _MMAP.search(line)) is not None:
        start = int(match["start"], 16)
        build_id = _BUILD_ID.search(match["rest"])
        return MapEvent(
            int(match["process"]),
            start,
            start + int(match["size"], 16),
            int(match["offset"], 16),
            match["path"],
            "x" in match["access"],
            "" if build_id is None else build_id[1],
        )
    if (match := _FORK.search(line)) is not None:
        return ForkEvent(int(match["process"]), int(match["thread"]), int(match["parent"]))
    if (match := _EXEC.search(line)) is not None:
        return ExecEvent(int(match["process"]))
    return None


def is_source_line(line: str) -> bool:
    """True for the source line that perf prints under a frame."""
    return _SOURCE.match(line) is not None
