"""Which format a profiler's file has, and reading it."""

from __future__ import annotations

import io
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

from burnish.core.errors import ProfileFileError, UsageError
from burnish.record.imports import perf_lines
from burnish.record.imports.callgrind import read_callgrind
from burnish.record.imports.fdata import read_fdata
from burnish.record.imports.folded import read_folded
from burnish.record.imports.parsed import Kind, ParsedRun
from burnish.record.imports.perf_script import read_perf_script
from burnish.record.imports.places import Images

_FDATA = re.compile(
    r"(?:[012] \S.* [0-9a-fA-F]+ [012] \S.* [0-9a-fA-F]+ \d+ \d+|[345] \S.* [0-9a-fA-F]+ [345] \S.* [0-9a-fA-F]+ \d+"
    r"|no_lbr\b.*|boltedcollection)\s*$"
)
_CALLGRIND = re.compile(r"# callgrind format|(?:version|creator|pid|cmd|part|positions|events): |fl=|fn=|ob=")
_FOLDED = re.compile(r"\S.* \d+\s*$")
_LOOKED_AT = 50
"""Lines that are looked at to find the format."""
STDIN = "-"


def read_profile_file(
    path: str, images: Images, kind: Kind | None = None, event: str | None = None
) -> ParsedRun:
    """Read the file of another profiler; ``-`` is standard input. Without ``kind`` its first lines say what it is.

    Raises ``ProfileFileError`` for what cannot be read or is malformed, with the number of the line, ``UsageError``
    where ``event`` makes no sense for the format.
    """
    name = "standard input" if path == STDIN else path
    try:
        with _open(path) as file:
            head = file.peek(16)[:16]
            _require_text(head, name)
            lines = enumerate(io.TextIOWrapper(file, "utf-8", errors="replace", newline="\n"), 1)
            return _read(lines, name, images, kind, event)
    except OSError as error:
        raise ProfileFileError(f"{name} cannot be read: {error.strerror or error}.") from error


def _open(path: str) -> io.BufferedReader[Any]:
    if path != STDIN:
        return Path(path).open("rb")
    return io.BufferedReader(_Kept(sys.stdin.buffer))  # pyright: ignore[reportArgumentType]


class _Kept(io.RawIOBase):
    """Standard input, which stays open when its reader is closed."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._stream.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _require_text(head: bytes, name: str) -> None:
    if head.startswith((b"PERFILE", b"2ELIFREP")):
        raise ProfileFileError(
            f"{name} is perf's own binary file; import what perf script --show-mmap-events -i {name} prints."
        )
    if not head:
        raise ProfileFileError(f"{name} is empty.")
    if b"\0" in head or head.startswith((b"\x7fELF", b"\x1f\x8b")):
        raise ProfileFileError(f"{name} is not text: it is none of {_words()}.")


def _read(
    lines: Iterator[tuple[int, str]], name: str, images: Images, kind: Kind | None, event: str | None
) -> ParsedRun:
    first = list(itertools.islice(lines, _LOOKED_AT))
    found = kind or recognise([line for _, line in first])
    if found is None:
        number = next((n for n, line in first if line.strip()), 1)
        raise ProfileFileError(
            f"{name} cannot be imported: line {number} is of none of the formats {_words()}; --format says which it is."
        )
    everything = itertools.chain(first, lines)
    if event is not None and found in (Kind.FDATA, Kind.FOLDED):
        raise UsageError(f"--event has no meaning for {found.value}.")
    match found:
        case Kind.PERF_SCRIPT:
            run = read_perf_script(everything, name, images, event)
        case Kind.CALLGRIND:
            run = read_callgrind(everything, name, event)
        case Kind.FDATA:
            run = read_fdata(everything, name, images.only())
        case Kind.FOLDED:
            run = read_folded(everything, name)
        case _:
            assert_never(found)
    if not run.samples:
        raise ProfileFileError(f"{name} cannot be imported: nothing is counted in it.")
    return run


def recognise(lines: list[str]) -> Kind | None:
    """The format that lines are of; the first line that tells decides."""
    for line in lines:
        text = line.rstrip("\n")
        if not text.strip():
            continue
        if _CALLGRIND.match(text):
            return Kind.CALLGRIND
        if text.startswith("#"):
            continue
        if _FDATA.match(text):
            return Kind.FDATA
        if "PERF_RECORD_" in text or perf_lines.header(text) is not None:
            return Kind.PERF_SCRIPT
        if "/-/-/" in text or (text[0].isspace() and perf_lines.frame(text) is not None):
            return Kind.PERF_SCRIPT
        return Kind.FOLDED if _FOLDED.match(text) else None
    return None


def _words() -> str:
    return ", ".join(kind.value for kind in Kind)
