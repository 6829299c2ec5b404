"""An entry of a function in a real run: what it found, what it left, and whether it does the same in isolation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from burnish.core.state import MachineState


class ReplayVerdict(Enum):
    """What the original does when it is run in isolation on an entry. The value is what the table ``entries`` says."""

    SAME = "same"
    """It leaves what the run left, bit by bit."""
    DIFFERENT = "different"
    """It leaves something else."""
    CANNOT = "cannot"
    """It does not come to its return in isolation, or the run was not seen to return."""


@dataclass(frozen=True, slots=True)
class EntryState:
    """A function about to be entered. ``address`` is its first instruction in that process; ``state`` the registers
    and the pages of memory that it reaches, its own code among them, with the return address on top of the stack.
    Memory from ``dead`` up to and with the return address is nobody's after the return."""

    address: int
    state: MachineState
    dead: int

    @property
    def rsp(self) -> int:
        """The stack pointer, at the return address."""
        return self.state.gpr[4]

    def is_dead(self, address: int) -> bool:
        """True for a byte that the caller does not look at after the return."""
        return self.dead <= address < self.rsp + 8


@dataclass(frozen=True, slots=True)
class Replayed:
    """How one run in isolation compares with the recorded state after. ``difference`` is a sentence on the first
    difference, or on why there is nothing to compare; empty for ``SAME``."""

    verdict: ReplayVerdict
    difference: str = ""

    def __bool__(self) -> bool:
        return self.verdict is ReplayVerdict.SAME
