"""The text of ``perf script``: samples, alone, with call chains (``-g``) or with branch stacks (``-b``).

Branch stacks say which jumps were made, newest first; between two of them the code was run straight through, from the
target of the older one to the newer one.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable

from burnish.core.errors import ProfileFileError
from burnish.core.recording import Counts
from burnish.record.imports import perf_lines
from burnish.record.imports.parsed import Kind, ParsedRun, Place, Sample, malformed
from burnish.record.imports.perf_lines import Header, Jump, MapEvent, Spot
from burnish.record.imports.places import INLINED, Images, Locator, Maps

_COMMAND = "# cmdline : "
_REMEMBERED = 1_000_000
"""Different lines of call chains that are remembered: most occur often."""


def read_perf_script(
    lines: Iterable[tuple[int, str]], file: str, images: Images, event: str | None = None
) -> ParsedRun:
    """Read numbered lines. ``event`` is the one whose samples are kept; it is needed where there are several.

    Raises ``ProfileFileError`` for a line that is nothing that perf prints, ``UsageError`` where an event must be
    chosen.
    """
    reader = _Reader(file, images, event)
    for number, line in lines:
        reader.read(number, line.rstrip("\n"))
    return reader.finish()


class _Open:
    """The sample that is being read."""

    __slots__ = ("event", "jumps", "process", "spots", "thread", "time_ns")

    def __init__(self, process: int | None, thread: int | None, time_ns: int | None, event: str) -> None:
        self.process, self.thread, self.time_ns, self.event = process, thread, time_ns, event
        self.spots: list[Spot] = []
        self.jumps: list[Jump] = []


class _Reader:
    def __init__(self, file: str, images: Images, event: str | None) -> None:
        self._file = file
        self._images = images
        self._wanted = event
        self._maps = Maps()
        self._locator = Locator(images)
        self._spots: dict[str, Spot] = {}
        self._open: _Open | None = None
        self._samples: dict[str, list[Sample]] = {}
        self._run = ParsedRun(Kind.PERF_SCRIPT, "samples", Counts.NONE)
        self._stacks = 0

    def read(self, number: int, line: str) -> None:
        """One line."""
        if not line.strip():
            self._close()
        elif line.startswith("#"):
            if line.startswith(_COMMAND):
                self._run.command = _command(line.removeprefix(_COMMAND))
        elif "PERF_RECORD_" in line:
            self._close()
            self._take(line)
        elif line.startswith("\t"):
            self._frame(number, line)
        elif (head := perf_lines.header(line)) is not None:
            self._close()
            self._begin(head, number, line)
        else:
            self._bare(number, line)

    def _take(self, line: str) -> None:
        found = perf_lines.event(line)
        if found is None:
            return
        if isinstance(found, MapEvent) and found.build_id:
            self._images.build_ids[found.path] = found.build_id
        self._maps.take(found)

    def _begin(self, head: Header, number: int, line: str) -> None:
        process = head.process if head.process is not None else self._maps.process_of(head.thread)
        self._open = _Open(process, head.thread, head.time_ns, head.event)
        rest = self._jumps(head.rest, number, line)
        spot = perf_lines.frame(rest) if rest.strip() else None
        if spot is not None:  # else it is text of a trace point
            self._open.spots.append(spot)

    def _jumps(self, text: str, number: int, line: str) -> str:
        """Takes the branch stack off the end of a line; what stands before it."""
        found = perf_lines.jumps(text)
        if found is None:
            raise malformed(self._file, number, "has a branch stack that cannot be read", line)
        before, jumps = found
        if self._open is not None:
            self._open.jumps += jumps
        return before

    def _frame(self, number: int, line: str) -> None:
        spot = self._spots.get(line)
        if spot is None:
            spot = perf_lines.frame(line)
            if spot is None:
                raise malformed(self._file, number, "is no frame of a call chain", line)
            if len(self._spots) < _REMEMBERED:
                self._spots[line] = spot
        if self._open is None:
            self._open = _Open(None, None, None, "")
        self._open.spots.append(spot)

    def _bare(self, number: int, line: str) -> None:
        """A line without a header: the branch stack under a call chain, or a sample of few fields."""
        found = perf_lines.jumps(line)
        if found is None:
            raise malformed(self._file, number, "has a branch stack that cannot be read", line)
        before, jumps = found
        if jumps and not before.strip():
            if self._open is None:
                self._open = _Open(None, None, None, "")
            self._open.jumps += jumps
            return
        if perf_lines.is_source_line(line) and self._open is not None:
            return
        self._close()
        process, spot = perf_lines.bare(before)
        if spot is None and (process is None or not jumps):
            raise malformed(
                self._file, number, "is neither a sample nor a frame nor an event of perf script", line
            )
        self._open = _Open(process, None, None, "")
        self._open.jumps += jumps
        if spot is not None:
            self._open.spots.append(spot)

    def _close(self) -> None:
        """The sample that was being read is complete."""
        found, self._open = self._open, None
        if found is None:
            return
        mapped = self._maps.state(found.process)
        while len(found.spots) > 1 and not found.spots[-1].address:
            found.spots.pop()  # the end of the chain
        if not found.spots and found.jumps:
            found.spots.append(found.jumps[0].target)
        places = [self._locator.place(spot, mapped) for spot in found.spots]
        for index in range(len(places) - 2, -1, -1):
            spot, caller = found.spots[index], found.spots[index + 1]
            if spot.dso == INLINED and spot.address == caller.address:
                places[index] = places[index + 1]._replace(function=spot.name)
        frames = tuple(reversed(places)) or (Place("", None, ""),)
        sample = Sample(found.process, found.thread, found.time_ns, frames, 1)
        self._samples.setdefault(found.event, []).append(sample)
        if found.jumps and (self._wanted is None or found.event == self._wanted):
            self._stacks += 1
            pairs = [
                (
                    self._locator.place(jump.source, mapped),
                    self._locator.place(jump.target, mapped),
                    jump.taken,
                )
                for jump in found.jumps
            ]
            self._count(pairs)

    def _count(self, pairs: list[tuple[Place, Place, bool]]) -> None:
        older: Place | None = None
        for source, target, taken in reversed(pairs):
            if older is not None:
                self._straight(older, source)
            if taken:
                self._jump(source, target)
            older = target

    def _straight(self, start: Place, end: Place) -> None:
        if start.address is None or end.address is None or start.image != end.image:
            return
        if start.address <= end.address:
            runs = self._run.runs.setdefault(start.image, Counter())
            runs[start.address, end.address] += 1

    def _jump(self, source: Place, target: Place) -> None:
        image = None if not target.image else self._images.get(target.image)
        if image is None or target.address is None:
            return
        bounds = image.bounds_at(target.address)
        start = None if bounds is None else bounds.address
        inside = source.image == target.image and source.address is not None
        if inside and source.address is not None and image.bounds_at(source.address) == bounds:
            self._run.jumps.setdefault(target.image, Counter())[source.address, target.address] += 1
        elif target.address == start:
            self._run.entries.setdefault(target.image, Counter())[target.address] += 1

    def finish(self) -> ParsedRun:
        """What all lines said."""
        self._close()
        run = self._run
        if not self._samples:
            raise ProfileFileError(f"{self._file} cannot be imported: it has no samples.")
        name = self._choose()
        run.samples = self._samples[name]
        run.unit = f"samples of {name}" if name else "samples"
        if self._stacks:
            run.counts = Counts.SAMPLED
            run.jumps_collected = True
        if self._locator.lost:
            run.notes.append(
                f"{self._locator.lost:,} places have no address: perf script --show-mmap-events says where files lay."
            )
        missing = sorted(self._locator.missing)
        if missing:
            run.notes.append(
                f"{len(missing)} files that it speaks of cannot be read here, so addresses in them are not known: "
                f"{', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}; --image names others of the same name."
            )
        for path in sorted(self._images.changed):
            run.notes.append(f"{path} is not the file that ran: its build-id differs.")
        return run

    def _choose(self) -> str:
        if self._wanted is not None:
            if self._wanted not in self._samples:
                raise ProfileFileError(
                    f"{self._file} has no samples of {self._wanted!r}; it has {self._listed()}."
                )
            return self._wanted
        if len(self._samples) > 1:
            raise ProfileFileError(
                f"{self._file} has samples of several events; choose one with --event: {self._listed()}."
            )
        return next(iter(self._samples))

    def _listed(self) -> str:
        return ", ".join(f"{name} ({len(samples):,})" for name, samples in self._samples.items())


def _command(text: str) -> tuple[str, ...]:
    """The command that ``perf record`` ran, as far as its own options end with ``--`` or can be told apart."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return tuple(words[words.index("--") + 1 :] if "--" in words else words)
