"""What ``record`` is asked for, what its stages hand on, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from burnish.core.code import Function
from burnish.core.deployment import Deployment
from burnish.core.image import FunctionBounds, Image
from burnish.core.profile import Profile
from burnish.core.recording import Numbering, Observer, Unrecorded, What
from burnish.pipeline.optimization import HotSpot
from burnish.pipeline.results import Result
from burnish.record.areas import Burst, ThreadCounts
from burnish.record.observing import Observing
from burnish.record.store import Recording, TraceWriter, open_recording
from burnish.runtime.command import CommandResult, Stream


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What to record. ``functions`` are names or addresses in the program; without any, a run is sampled first and the
    ``hot`` hottest with at least ``min_share`` of the samples are taken. ``most_bytes`` bounds the trace on disk.
    ``drop``: where the recorder does not keep up, lose records (and count them) instead of waiting."""

    program: str
    arguments: tuple[str, ...]
    output: Path
    what: tuple[What, ...] = (What.EDGES,)
    functions: tuple[str | int, ...] = ()
    hot: int = 20
    min_share: float = 0.002
    cpu: str = "native"
    timeout_s: float | None = None
    drop: bool = False
    most_bytes: int | None = None
    burst: Burst | None = None
    """Trace so many of so many blocks only; None: all. Counts are always of all."""
    entries: int = 64
    """How many different entries of a function are captured, at most."""
    stdout: Stream = Stream.INHERIT
    """Where the recorded run's standard output goes."""
    observer: Observer = Observer.AUTO


@dataclass(frozen=True, slots=True)
class RecordResult(Result):
    """What was recorded. ``cpu_s`` is the processor time of the recorded run in seconds, ``slowdown`` that by the
    time of the sampled one; None where nothing was sampled."""

    verb: ClassVar[str] = "record"
    path: Path
    command: tuple[str, ...]
    functions: int
    blocks: int
    unrecorded: tuple[Unrecorded, ...]
    covered: float | None
    entered: int
    events: int
    trace_bytes: int
    dropped: int
    left_out: int
    cpu_s: float
    slowdown: float | None
    exit_code: int | None
    signal: int | None
    interrupted: bool
    """Whether the run was ended by Ctrl-C; ``timed_out``, whether by the time limit."""
    timed_out: bool
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    entries: int = 0
    replayed: int = 0
    """Of the entries, those that replay in isolation."""

    def open(self) -> Recording:
        """The recording."""
        return open_recording(self.path)


@dataclass(slots=True)
class Wanted:
    """What to probe: functions by file, and what is known of the others."""

    images: dict[Path, Image]
    spots: list[HotSpot]
    unrecorded: list[Unrecorded] = field(default_factory=list[Unrecorded])
    native_s: float | None = None
    sampled: bool = False
    started: tuple[Path, ...] = ()
    """Programs that the command starts."""
    profile: Profile | None = None
    """The samples, where a run was sampled."""


@dataclass(slots=True)
class Probed:
    """Rebuilt functions with probes, and the numbers of their blocks and counters."""

    numbered: list[tuple[Path, FunctionBounds, Function, Numbering]]
    deployment: Deployment
    counters: int
    records: Records
    observer: Observer = Observer.PROBES
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """What must be set for the observer, besides the rest."""
    notes: Path | None = None
    """The file in which QBDI's tool notes what went otherwise."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """What is written to the ring. ``bytes`` is the size of a trace record, 0 where nothing is traced; 8 where records
    are words. ``blocks`` and ``accesses`` say whether those are kept, ``contents`` whether accesses come with their
    bytes; ``results`` and ``snapshots`` whether those are written."""

    bytes: int = 0
    blocks: bool = False
    accesses: bool = False
    contents: bool = False
    results: bool = False
    snapshots: bool = False

    @property
    def words(self) -> bool:
        """Whether records are words, which must be taken apart."""
        return self.bytes == 8


@dataclass(frozen=True, slots=True)
class Ran:
    """How the recorded run went."""

    result: CommandResult
    started: datetime
    threads: tuple[ThreadCounts, ...]
    trace: TraceWriter | None
    observing: Observing | None
    lost: int
    """Threads that could not be recorded."""
    warnings: tuple[str, ...] = ()
