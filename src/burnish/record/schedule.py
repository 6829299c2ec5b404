"""Which calls of a function are looked at, in a run that calls it any number of times."""

from __future__ import annotations

from dataclasses import dataclass

_COUNTED = 100
"""Up to this call they are chosen by number; each call stops the command for about 0.2 ms until then."""
_FIRST_GAP_S = 0.002


@dataclass(slots=True)
class Schedule:
    """The first calls by number (1, 2, 3, 4, 5, 6, 8, 10, 12, 15 …), later ones after gaps that grow by the factor
    ``growth``, during which the function runs without a breakpoint. ``calls`` counts those that stopped at it, ``due``
    is when the gap ends, in seconds that the command has run; None where there is none."""

    growth: float
    calls: int = 0
    next_call: int = 1
    gap_s: float = _FIRST_GAP_S
    due: float | None = None

    def is_wanted(self) -> bool:
        """Counts a call; true if it is to be looked at."""
        self.calls += 1
        return self.calls >= self.next_call

    def looked(self, clock: float, spent_s: float = 0.0) -> bool:
        """Plans the next one after a call was looked at, which took ``spent_s`` seconds. True where a gap begins."""
        if self.calls < _COUNTED:
            self.next_call = self.calls + 1 + self.calls // 6
            return False
        self.due = clock + max(self.gap_s, spent_s)
        self.gap_s *= self.growth
        return True

    def is_over(self, clock: float) -> bool:
        """True, once, when a gap has ended."""
        if self.due is None or self.due > clock:
            return False
        self.due = None
        return True
