"""The execution graph: instances of blocks, what followed what, the variables that blocks access, and what registers
and the frame hand on.

Source: Saad, Mohamedin and Ravindran, HydraVM (HotPar 2012), where a block that is visited again is another node. Here
these are folded: a node stands for all visits of a block at one place in the factorised order of a region's rounds, so
that the graph grows with what the code does, and not with how long it ran."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from burnish.core.superblocks import Range


@dataclass(frozen=True, slots=True)
class Instance:
    """A node. ``item`` is the number of a block, or ``~`` the number of a region inside (a loop, a call), which stands
    for all that it does there and has nodes of its own. ``path`` is the place of the round's path among those of
    ``region``, ``count`` how many visits were folded."""

    number: int
    region: int
    path: int
    item: int
    count: int


@dataclass(frozen=True, slots=True)
class Step:
    """A flow edge between two instances of one path; ``again`` leads back to the beginning of a repetition in it. What
    follows the last instance of a loop's round is its next round, or what follows the loop's instance."""

    source: int
    target: int
    count: int
    again: bool = False


class VariableKind(StrEnum):
    """What a variable is."""

    MEMORY = "memory"
    """An object: a data symbol, the stack, the heap, a file."""
    REGISTER = "register"
    FLAG = "flag"
    FRAME = "frame"
    """A fixed place in a function's frame, of which recordings have no accesses."""


@dataclass(frozen=True, slots=True)
class Variable:
    """``name`` is that of the object or register, or of a place in the frame by its distance from the stack pointer at
    entry (``stack-0x14``), which is one for each ``function``; None for what all functions share."""

    number: int
    kind: VariableKind
    name: str
    function: int | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What the instances of a block in a region do with a memory object at one site: where, how often, and on what line
    says ``range``. What a region's block accesses through calls is in the regions of those."""

    region: int
    block: int
    variable: int
    range: Range


@dataclass(frozen=True, slots=True)
class HandedOn:
    """A RAW dependence through registers, flags or places in the frame: what block ``source`` leaves in one, ``sink``
    may read: in the same round of ``region``, the innermost one that both are in, or where ``carried`` in its next
    round, or a later one where none writes it in between. It comes from the code, and not from what was seen. WAR and
    WAW through these bind nothing: each round, as each thread, has its own."""

    region: int
    variable: int
    source: int
    sink: int
    carried: bool


@dataclass(frozen=True, slots=True)
class ExecutionGraph:
    """Nodes and edges by number. Dependences through memory are those of ``Structure``, whose sites are those of
    ``uses``. ``left_out`` are pairs of a region and how many of its rounds went by a path that is not here."""

    instances: tuple[Instance, ...]
    steps: tuple[Step, ...]
    variables: tuple[Variable, ...]
    uses: tuple[Use, ...]
    handed: tuple[HandedOn, ...]
    left_out: tuple[tuple[int, int], ...] = ()
