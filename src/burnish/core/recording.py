"""What a recording is made of: the numbering of blocks and edges, and the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from burnish.core.code import Label

SCHEMA_VERSION = 1
"""Of the manifest and of all tables of a recording. A reader refuses a later one."""


class What(Enum):
    """What can be recorded. The value is the word of ``--what``."""

    EDGES = "edges"
    """How often each block was entered and each edge was taken."""
    BLOCKS = "blocks"
    """The blocks in the order in which they were entered, by thread; with ``EDGES``."""
    MEMORY = "memory"
    """The addresses of loads and stores, in order between the blocks; with ``BLOCKS``."""
    VALUES = "values"
    """What each instruction's result was: the frequent values, how many, and whether they follow a line."""
    STORES = "stores"
    """What was written, and what of all that was read stayed the same."""
    SNAPSHOTS = "snapshots"
    """The general registers, and what they point to, at the start of blocks; with ``BLOCKS``."""
    ENTRIES = "entries"
    """Calls with the registers and the memory that they find and leave; in a run of the original, of its own."""


class Observer(Enum):
    """What watches the functions that are recorded. The value is the word of ``--observer``."""

    AUTO = "auto"
    """Probes; QBDI where a named function cannot be rebuilt."""
    PROBES = "probes"
    """Probes in rebuilt functions."""
    QBDI = "qbdi"
    """QBDI, which runs the program's own code."""


class Ending(Enum):
    """How a block ends. The value is what the table ``blocks`` says."""

    RUNS_ON = "runs on"
    """Into the next block, without a jump."""
    JUMP = "jump"
    BRANCH = "branch"
    SWITCH = "switch"
    RETURN = "return"
    TAIL_CALL = "tail call"
    STOPS = "stops"
    """It never gets further: after a call that does not return, or a trap."""


class EdgeKind(Enum):
    """Which way an edge is. The value is what the table ``edges`` says."""

    FALLTHROUGH = "fallthrough"
    TAKEN = "taken"
    JUMP = "jump"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one block to another of the same function."""

    source: Label
    target: Label


class Access(Enum):
    """What an instruction does to memory. The value is what the table ``sites`` says. A string instruction (``rep``)
    has up to three sites: the addresses that it begins at, and how many bytes it handles."""

    LOAD = "load"
    STORE = "store"
    STRING_TARGET = "string target"
    STRING_SOURCE = "string source"
    STRING_BYTES = "string bytes"


@dataclass(frozen=True, slots=True)
class Site:
    """A load or store of an instruction: its number, ``size`` in bytes (0 for string instructions, whose sizes are
    recorded), and the image address of the instruction."""

    number: int
    access: Access
    size: int
    address: int


@dataclass(frozen=True, slots=True)
class ResultSite:
    """A register that an instruction writes: its number, the image address of the instruction, the cell
    (``machine.registers``), and which of its bytes. ``index`` is that of the operation after which it holds the
    result, among the operations of the block that matter."""

    number: int
    address: int
    register: str
    offset: int
    size: int
    index: int


@dataclass(frozen=True, slots=True)
class ResultGroup:
    """Results that are written down at once, before the operation with index ``before`` (one past the last: at the
    block's end)."""

    number: int
    before: int
    results: tuple[ResultSite, ...]


@dataclass(frozen=True, slots=True)
class SnapshotGroup:
    """General registers that are written down when a block is entered: those that anything reads later, in encoding
    order."""

    number: int
    registers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers of one function's blocks in a recording, and of the counters that its probes add to.

    ``blocks`` gives each block its number. ``entered`` gives the counter of a block's entries; a block without one is
    entered as often as its edges are taken together: nothing in it can end the function. ``taken`` gives the counters
    of edges; of a block with one successor and without an own counter for it, the edge is taken as often as the block
    is entered.
    """

    blocks: Mapping[Label, int]
    entered: Mapping[Label, int]
    taken: Mapping[Edge, int]
    sites: Mapping[tuple[Label, int], tuple[Site, ...]] = field(
        default_factory=dict[tuple[Label, int], "tuple[Site, ...]"]
    )
    """By block and index among its operations that matter; empty where memory is not recorded."""
    groups: Mapping[Label, tuple[ResultGroup, ...]] = field(
        default_factory=dict[Label, "tuple[ResultGroup, ...]"]
    )
    """Empty where results are not recorded."""
    snapshots: Mapping[Label, SnapshotGroup] = field(default_factory=dict[Label, "SnapshotGroup"])


@dataclass(frozen=True, slots=True)
class RecordedImage:
    """A file that the run loaded. ``build_id`` is hexadecimal, empty where the file has none."""

    path: str
    build_id: str


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A hot function that was not recorded, and why. ``share`` is of all samples, 0 to 1."""

    name: str
    image: str
    address: int
    share: float
    reason: str


class Counts(Enum):
    """What the counts of blocks and edges are in a recording that was imported. The value is what the manifest says."""

    NONE = "none"
    """There are none: only samples."""
    EXACT = "exact"
    """Of the whole run."""
    SAMPLED = "sampled"
    """Of the parts of the run that were sampled: right in proportion."""


@dataclass(frozen=True, slots=True)
class ImportedFrom:
    """Where an imported recording comes from: the word for the format, and the name of the file without its folder.
    ``unit`` is what the table ``samples`` counts; ``counts`` the value of a ``Counts``."""

    format: str
    file: str
    unit: str
    counts: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the tables do not say. Times are in seconds, ``wall_s`` and ``cpu_s`` of the recorded run; ``native_s`` is
    the processor time of the run that was sampled, None where none was. ``dropped`` counts bytes of trace records that
    were lost. ``exit_code`` and ``signal`` are those of the command, ``interrupted`` whether the recorder was."""

    command: tuple[str, ...]
    what: tuple[str, ...]
    images: tuple[RecordedImage, ...]
    unrecorded: tuple[Unrecorded, ...]
    host: Mapping[str, str]
    environment: Mapping[str, str]
    started: str
    wall_s: float
    cpu_s: float
    native_s: float | None
    exit_code: int | None
    signal: int | None
    interrupted: bool
    dropped: int
    threads: int
    covered: float | None
    """The part of the samples that fell into the recorded functions, 0 to 1; None where nothing was sampled."""
    burnish: str
    schema_version: int = SCHEMA_VERSION
    warnings: tuple[str, ...] = field(default=())
    runs: int = 1
    """How many runs were merged into it; times, threads and lost bytes are then those of all together."""
    observer: str = Observer.PROBES.value
    burst: str | None = None
    """``1000/100000``: of so many blocks so many were traced; None: all."""
    imported: ImportedFrom | None = None
    """None for what ``record`` recorded itself."""
