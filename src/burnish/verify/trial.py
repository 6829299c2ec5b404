"""One trial: the original and the rebuilt code from the same state, each in its own copy, and what they leave."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from burnish.core.state import Faulted, TimedOut
from burnish.runtime import ptrace
from burnish.runtime.bounded_run import Outcome, Returned, SystemCallReached, processor_time
from burnish.runtime.command import signal_name
from burnish.runtime.ptrace import GoneError
from burnish.runtime.snapshot import Snapshot
from burnish.verify.compare import (
    DeadFrame,
    Differences,
    ReturnPart,
    memory_differences,
    register_differences,
)
from burnish.verify.liveness import is_seen
from burnish.verify.mutate import Input
from burnish.verify.system_calls import Side, answered_differences, call_differences, call_name

_SLACK = 10.0
"""The rebuilt code may use this many times the original's processor time, and the trial's limit on top."""
_GARBAGE = 16 << 10


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both did the same: up to the return (``returned``), or up to the same system call. ``seconds`` of processor
    time is what the original needed."""

    returned: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Void:
    """The trial tells nothing. ``timed_out`` where the original did not come to an end."""

    reason: str
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Differs:
    """They did different things, a sentence each."""

    sentences: tuple[str, ...]


TrialResult = Agreed | Void | Differs


@dataclass(frozen=True, slots=True)
class Bench:
    """All that the trials of one captured entry share. ``base`` holds the rebuilt code at ``rebuilt_entry``."""

    base: Snapshot = field(repr=False)
    rebuilt_entry: int
    return_address: int
    dead: DeadFrame
    returns: Sequence[ReturnPart]

    def run(self, copy: Snapshot, start: Input, entry: int, limit_s: float) -> Outcome:
        """Runs a copy from ``start`` at ``entry`` to the return address."""
        start.apply(copy)
        registers = start.registers.copy()
        registers.rip = entry
        return copy.run(registers, start.floats, self.return_address, limit_s)

    def differences(self, first: Snapshot, a: Outcome, second: Snapshot, b: Outcome) -> Differences:
        """What differs between the original's end ``a`` and another end ``b``. Raises ``GoneError`` if one of the
        copies was killed by somebody (the kernel is one, where memory is short): that tells nothing."""
        found = self._differences(first, a, second, b)
        for copy, outcome in ((first, a), (second, b)):
            if outcome == Faulted(signal.SIGKILL, 0, 0):
                raise GoneError("A copy of the process was killed, or did not get to run.")
            if not isinstance(outcome, TimedOut):
                ptrace.get_registers(copy.pid)
        return found

    def _differences(self, first: Snapshot, a: Outcome, second: Snapshot, b: Outcome) -> Differences:
        match a, b:
            case Returned(), Returned():
                asked = answered_differences(a.calls, b.calls, self.dead.holds)
                if asked:
                    return Differences(asked, False)
                return register_differences(a, b, self.returns, self.dead) + memory_differences(
                    self.base, first, second, self.dead
                )
            case SystemCallReached(), SystemCallReached():
                sides = Side(a, first.memory), Side(b, second.memory)
                found = answered_differences(a.calls, b.calls, self.dead.holds)
                found = found or call_differences(*sides, self.dead.holds)
                return Differences(found, not found)
            case _:
                sentence = f"The original {_describe(a)}, the rebuilt code {_describe(b)}."
                return Differences((sentence,), False)


def run_trial(bench: Bench, start: Input, limit_s: float) -> TrialResult:
    """Runs both and compares; the original may use ``limit_s`` of processor time. What looks like a difference
    is one only if the original, run once more with other garbage in the dead part of the stack, agrees with itself:
    else the trial is void. What the caller overwrites unread of a
    return register does not count.

    Raises ``UncapturableError`` or ``GoneError`` if copies cannot be made.
    """
    with bench.base.fork() as original:
        first = bench.run(original, start, bench.base.registers.rip, limit_s)
        seconds = processor_time(original.pid)
        match first:
            case Faulted(number):
                return Void(f"the original ended with {signal_name(number)}")
            case TimedOut():
                return Void("the original did not return in time", True)
            case Returned() | SystemCallReached():
                pass
            case _:
                assert_never(first)
        with bench.base.fork() as rebuilt:
            patience_s = limit_s + _SLACK * seconds
            second = bench.run(rebuilt, start, bench.rebuilt_entry, patience_s)
            found = bench.differences(original, first, rebuilt, second)
        if not found:
            return Agreed(isinstance(first, Returned), seconds)
        if found.only_nan:
            return Void("the two differ only in the payload of a NaN")
        with bench.base.fork() as again:
            _litter(again, start)
            third = bench.run(again, start, bench.base.registers.rip, patience_s)
            if bench.differences(original, first, again, third):
                return Void("the original does not do the same twice, or depends on dead memory")
        if found.only_returns:
            original.memory.write(bench.return_address, bench.base.memory.read(bench.return_address, 1))
            if not is_seen(original, found.returns):
                return Agreed(True, seconds)
    return Differs(found.sentences)


def _litter(copy: Snapshot, start: Input) -> None:
    """Fills the unused part of the stack with garbage."""
    low = start.registers.rsp - _GARBAGE
    room = copy.memory.read(low, _GARBAGE)
    if len(room) == _GARBAGE and not any(low <= address < low + _GARBAGE for address, _ in start.writes):
        copy.memory.write(low, random.Random(start.seed).randbytes(_GARBAGE))


def _describe(outcome: Outcome) -> str:
    """The predicate of a sentence."""
    match outcome:
        case Returned():
            return "returns"
        case SystemCallReached(number):
            return f"makes the system call {call_name(number)}" if number >= 0 else "makes a system call"
        case Faulted(number, address, rip):
            place = f" for the address {address:#x}" if number in (signal.SIGSEGV, signal.SIGBUS) else ""
            return f"ends with {signal_name(number)} at {rip:#x}{place}"
        case TimedOut():
            return "does not come to an end"
        case _:
            assert_never(outcome)
