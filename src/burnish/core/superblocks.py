"""What can run in parallel in an execution, with the evidence, and its superblocks: what ``burnish superblocks``
says, and what running them under transactions will take.

Blocks, sites, functions and regions are numbers of a recording and of its ``Structure``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Recurrence(StrEnum):
    """How a value gets from one round of a loop to the next."""

    AFFINE = "affine"
    """A constant is added in each round: known for every round beforehand."""
    REDUCTION = "reduction"
    """One associative operation folds something into it, and nothing else in the loop reads it: partial results of
    groups of rounds can be joined; in the order of the groups where ``Carried.ordered``, else in any."""
    PREDICTABLE = "predictable"
    """It is computed from nothing but invariants and values of this kind, by more than an addition: it can be
    computed ahead of the rounds, but one after another."""
    RECENT = "recent"
    """It is made of what the last ``Carried.distance`` rounds computed from invariants, affine values and memory that
    the loop does not write: each round can compute it again, without waiting."""
    CHASE = "pointer chase"
    """It is read from memory at a place that it says itself: a list, a tree."""
    HANDED = "handed on"
    """Each round computes it anew, from nothing of this value, and the next one reads it: rounds wait for a
    neighbour, and no chain forms."""
    SERIAL = "serial"
    """Anything else: the next round needs what this one computes."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A value that rounds hand on. ``place`` is where it lives: registers, places in the frame by their distance from
    the stack pointer at entry (``stack-0x14``), or ``memory`` where stores and loads hand it on, and then ``pairs``
    are those sites (store, load): dependences that it explains. ``step`` is what an affine one adds (None where that
    is an invariant that is not constant, or one for each lane of a vector).

    ``operator`` is what folds a reduction: ``add``, ``mul``, ``and``, ``or``, ``xor``, ``max``, ``min``, without sign
    ``umax`` and ``umin``, or ``last`` where some rounds put another value in its place (of groups of rounds, that of
    the last in which one did). ``arg`` before a minimum or maximum is a value that is replaced whenever that at
    ``decided_by`` is: both are joined by one comparison. ``packed`` stands before it for vectors. A reduction in memory
    may be one of each element of an array. ``floating`` says that reassociation changes the result, ``ordered`` that
    the operation does not commute.

    ``distance`` is the least number of rounds after which the value comes back to itself, or for how many rounds a
    recent one lasts; ``addresses`` are those of the instructions that compute it, in the file."""

    place: tuple[str, ...]
    kind: Recurrence
    step: int | None = None
    operator: str = ""
    floating: bool = False
    pairs: tuple[tuple[int, int], ...] = ()
    addresses: tuple[int, ...] = ()
    distance: int = 1
    ordered: bool = False
    decided_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline: blocks' instructions by address, whether its rounds are independent of each other, and
    its share of the loop's instructions, 0 to 1."""

    addresses: tuple[int, ...] = field(repr=False)
    parallel: bool
    share: float


@dataclass(frozen=True, slots=True)
class Left:
    """What block ``source`` leaves in a register, a flag or a place of the frame (named as in ``Carried``), and block
    ``sink`` may read: in the next round of a loop where ``carried``, else in the same one."""

    place: str
    source: int
    sink: int
    carried: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """What registers say about a loop or function. ``live_in`` are the registers that it reads before it writes them,
    ``live_out`` those that it writes and that are read after it. ``counted`` says that the number of rounds follows
    from invariants and affine values alone when the loop is entered. ``stages`` are those of the best pipeline, in
    order; empty where all of the work is in one strongly connected part. ``handed`` are, of a function, pairs of
    blocks: what the first left in a register, the second may read. ``chained_calls``: of a function that calls
    itself, an argument of such a call may come from the result of another. ``left`` is what the region's blocks leave
    for each other, as far as no loop inside has both. ``refused`` says why nothing is known about it, else empty."""

    region: int
    live_in: tuple[str, ...] = ()
    live_out: tuple[str, ...] = ()
    carried: tuple[Carried, ...] = ()
    counted: bool = False
    stages: tuple[Stage, ...] = ()
    handed: tuple[tuple[int, int], ...] = ()
    chained_calls: bool = False
    refused: str = ""
    left: tuple[Left, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Range:
    """The memory that a site touched in a region. ``object`` is a name (of a data symbol, ``stack``, ``heap``, or of
    a mapped file; several are joined by commas), ``least`` and ``end`` bound the addresses, ``size`` is that of the
    largest access in bytes.

    Where all accesses of each visit of the region lie on a line, and all these lines have the same ``strides``, an
    address is a start plus the sum of ``strides`` times the rounds (from 0) of the loops that are open inside the
    region, the region's own included, innermost first; else ``strides`` is None. ``rounds`` says of each of those
    loops how many rounds it had when the site ran, at most. The start is ``base`` plus the sum of ``outer`` times the
    rounds of the next loops around the region, innermost first; where not ``fixed``, ``base`` is that of the first
    visit of the outermost of all these loops, and other visits have another one. ``fits`` counts accesses on the line
    (without ``strides``: those where a step to them was as foreseen)."""

    site: int
    store: bool
    size: int
    object: str
    least: int
    end: int
    count: int
    strides: tuple[int, ...] | None = None
    base: int = 0
    fits: int = 0
    rounds: tuple[int, ...] = ()
    outer: tuple[int, ...] = ()
    fixed: bool = False


class Parallelism(StrEnum):
    """What kind of parallelism a region has."""

    INDEPENDENT = "independent"
    """No round needs anything of another, but values that are affine or recent."""
    PRIVATE = "private"
    """Independent but for memory that is written again: each round writes to a copy of its own."""
    REDUCTION = "reduction"
    """Rounds meet in nothing but reductions."""
    CONFLICTS = "conflicts"
    """Rounds meet sometimes: speculation gains while conflicts are rare or far."""
    PIPELINE = "pipeline"
    """Rounds need each other, but in parts that can be stages."""
    FORK_JOIN = "fork-join"
    """Calls within one visit, of recursion, that need nothing of each other."""
    SERIAL = "serial"
    """Every round needs the one before."""
    UNKNOWN = "unknown"
    """There is not enough evidence: single rounds, or no code that could be analysed."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Speed-up of the region's own time on so many cores, by replay."""

    cores: int
    speedup: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What a region is, and why. ``conflicts`` is the share of rounds that need an earlier one, ``distance`` how many
    rounds before it that was, least and most (0, 0: none). ``private`` are the numbers of stores whose memory needs a
    copy a round. ``ordered`` are blocks with input, output or calls of code that is not known. ``gain`` is the
    predicted speed-up of the whole run on the most cores of ``predictions``. ``obstacles`` are sentences without a
    full stop."""

    region: int
    kind: Parallelism
    flow: Flow
    conflicts: float
    distance: tuple[int, int]
    private: tuple[int, ...]
    ordered: tuple[int, ...]
    ranges: tuple[Range, ...]
    predictions: tuple[Prediction, ...]
    gain: float
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a superblock, by the numbers of blocks. ``biased``: the branch rarely goes there, and the code
    behind it was left out for that; ``count`` is how often it did."""

    source: int
    target: int
    count: int
    biased: bool


@dataclass(frozen=True, slots=True)
class Superblock:
    """Blocks that commonly run in a pattern, as one unit. ``entries`` are those of its blocks at which it is entered
    from outside. ``inner`` are loops in it, each standing for all that it does. ``form`` is the factorised order of
    its blocks, in words of ``b`` and their numbers. ``objects`` are the names of the memory that it accesses.
    ``instructions`` is what ran in it, ``share`` the part of the run, 0 to 1. ``ordered`` are blocks with ordered
    effects, which must not be speculated; ``independent_of`` are superblocks that it shares no written memory
    with."""

    number: int
    region: int
    blocks: tuple[int, ...]
    inner: tuple[int, ...]
    entries: tuple[int, ...]
    exits: tuple[Exit, ...]
    form: str
    objects: tuple[str, ...]
    instructions: int
    share: float
    ordered: tuple[int, ...]
    independent_of: tuple[int, ...]
