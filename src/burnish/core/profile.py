"""What sampling a run has found: where the program spent its time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from burnish.core.image import FunctionBounds

SCHEMA_VERSION = 1


class Method(Enum):
    """How samples were taken."""

    PERF_EVENT = "perf_event"
    """A software clock of the kernel, per thread of the whole tree; it sees time in the kernel where that is
    permitted."""
    SIGPROF = "sigprof"
    """A signal after each period of processor time, from a preloaded object. Time in a system call counts
    where the call returns to the program."""
    PTRACE = "ptrace"
    """A look at the threads that run, of a process that was running before. ``period_ns`` is by the clock."""


@dataclass(frozen=True, slots=True)
class ProfiledImage:
    """A file that the run executed code of. ``build_id`` is in hexadecimal, empty where the file has none."""

    path: Path
    build_id: str


class Location(NamedTuple):
    """``samples`` fell on one instruction: an image address of ``Profile.images[image]``."""

    image: int
    address: int
    samples: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The samples of one run of a command and of all processes that it started.

    Each sample stands for ``period_ns`` of processor time. ``unknown`` samples fell outside every ELF file
    (code made at run time, the vDSO, a file that is gone). ``kernel`` samples fell into the kernel; None
    where the method cannot see them. ``lost`` samples are known to have been taken and not recorded. A run
    that was cut short (``timed_out``, ``interrupted``) or that failed has a profile of what it did until
    then.
    """

    command: tuple[str, ...]
    method: Method
    period_ns: int
    images: tuple[ProfiledImage, ...]
    locations: tuple[Location, ...] = field(repr=False)
    """Sorted by image, then address."""
    unknown: int
    kernel: int | None
    lost: int
    wall_s: float
    exit_code: int | None
    signal: int | None = None
    timed_out: bool = False
    interrupted: bool = False

    @property
    def samples(self) -> int:
        """All samples: located, unknown and in the kernel."""
        return sum(location.samples for location in self.locations) + self.unknown + (self.kernel or 0)

    @property
    def completed(self) -> bool:
        """True if the program ended by itself with exit code 0."""
        return self.exit_code == 0 and not self.timed_out and not self.interrupted

    def to_json(self) -> str:
        """The profile as a JSON object; ``locations`` are rows of image, address, samples."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "command": self.command,
            "method": self.method.value,
            "period_ns": self.period_ns,
            "images": [{"path": str(image.path), "build_id": image.build_id} for image in self.images],
            "locations": self.locations,
            "samples": self.samples,
            "unknown": self.unknown,
            "kernel": self.kernel,
            "lost": self.lost,
            "wall_s": self.wall_s,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "timed_out": self.timed_out,
            "interrupted": self.interrupted,
        }
        return json.dumps(document)


@dataclass(frozen=True, slots=True)
class HotFunction:
    """A function and the samples that fell into it. ``share`` is of all samples of the profile, 0 to 1."""

    image: Path
    bounds: FunctionBounds
    samples: int
    share: float
