"""A run of a command in which entries of functions are captured: what each found and what it left, in the real run.

At a sampled call the thread stands at the function's first instruction, and the others of its process are held. The
original is run from there in isolation, with the live memory on demand: so it is known which pages it reaches. Then
the real thread runs to its return, alone; its registers and those pages, as they are then, are the recorded state
after. A call that finds what an earlier one found is counted and not kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from burnish.core.entry import EntryState, Replayed, ReplayVerdict
from burnish.core.errors import TargetError
from burnish.core.state import FLAGS_MASK, Finished, MachineState, MemoryRegion, Outcome
from burnish.machine.registers import GPR_NAMES
from burnish.record.distinct import Known
from burnish.record.process_memory import LiveMemory, MappingTable
from burnish.record.replaying import Reached, compare, difference, executor, reach, run_entry
from burnish.record.schedule import Schedule
from burnish.runtime import ptrace
from burnish.runtime.command import Command, CommandResult, Stream
from burnish.runtime.interrupts import interrupts_held
from burnish.runtime.isolation import Executor
from burnish.runtime.process import CodePoint, TracedCommand
from burnish.runtime.registers import FloatRegisters, Registers
from burnish.runtime.visit import CameBack, Hit, StayedAway, Visit

_GROWTH = 1.25
_LEAST_S, _PATIENCE, _LONGEST_S = 0.5, 10.0, 2.0
"""How long the other threads of a process are held while one runs to its return: so much, and so many times what it
takes in isolation, but never longer than the last."""
_MOST_BYTES = 64 << 20
"""Of memory that is kept for one function."""
_HOPELESS = 8
"""After so many entries that cannot be replayed, and none that can, a function is given up."""


@dataclass(slots=True)
class Captured:
    """One entry of the function ``point``. ``call`` is its number among the calls that stopped, ``seen`` how many of
    those that were looked at found the same. ``after`` is None where the run was not seen to return."""

    point: int
    process: int
    thread: int
    call: int
    entry: EntryState
    after: MachineState | None
    replayed: Replayed
    return_address: int
    seen: int = 1


@dataclass(frozen=True, slots=True)
class CaptureRun:
    """The entries, in the order in which they were captured, and how the command ended."""

    entries: tuple[Captured, ...]
    mappings: MappingTable
    result: CommandResult


@dataclass(slots=True)
class _Subject:
    """What is known of one function so far."""

    point: int
    schedule: Schedule = field(default_factory=lambda: Schedule(_GROWTH))
    known: list[tuple[Known, Captured]] = field(default_factory=list[tuple[Known, Captured]])
    kept: list[Captured] = field(default_factory=list[Captured])
    bytes: int = 0
    finished: bool = False

    @property
    def hopeless(self) -> bool:
        return len(self.kept) >= _HOPELESS and all(
            one.replayed.verdict is ReplayVerdict.CANNOT for one in self.kept
        )


def capture(
    command: Command,
    points: Sequence[CodePoint],
    *,
    most: int,
    timeout_s: float | None = None,
    stdout: Path | Stream = Stream.INHERIT,
    stderr: Path | Stream = Stream.INHERIT,
    tell: Callable[[int], None] = lambda entries: None,
) -> CaptureRun:
    """Runs ``command`` once and captures up to ``most`` different entries of each function in ``points``. ``tell`` is
    told how many there are. After ``timeout_s`` (None: never), and at Ctrl-C, the command is ended, and the result says
    so. Raises ``TargetError`` if it cannot be started, ``HostError`` where tracing or isolation is not possible,
    ``ImageError`` for a point in what is no image."""
    begun = time.monotonic()
    table = MappingTable()
    interrupted = False
    with (
        ptrace.child_signals_waited(),
        executor() as tool,
        TracedCommand(command, points, stdout=stdout, stderr=stderr) as process,
    ):
        run = _Run(process, tool, table, most, [_Subject(point) for point in range(len(points))], tell)
        try:
            run.observe(None if timeout_s is None else begun + timeout_s)
        except KeyboardInterrupt:
            interrupted = True
        left = None if timeout_s is None else max(0.0, begun + timeout_s - time.monotonic())
        result = process.finish(0.0 if interrupted else left)
    if interrupted:
        result = replace(result, timed_out=False, interrupted=True)
    return CaptureRun(tuple(run.entries), table, result)


@dataclass(slots=True)
class _Run:
    """The run under observation."""

    process: TracedCommand
    tool: Executor
    mappings: MappingTable
    most: int
    subjects: Sequence[_Subject]
    tell: Callable[[int], None]
    entries: list[Captured] = field(default_factory=list[Captured])
    clock: float = 0.0
    shared: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """Memory that several entries have in common, kept once."""

    def observe(self, end: float | None) -> None:
        """Looks at calls until all functions are done, the command has ended, or time is up."""
        clock = 0.0  # seconds that the command itself has run
        while not self.process.ended and not all(one.finished for one in self.subjects):
            left = 3600.0 if end is None else end - time.monotonic()
            if left <= 0:
                return
            dues = [one.schedule.due - clock for one in self.subjects if one.schedule.due is not None]
            waiting = time.monotonic()
            hit = self.process.next_hit(max(0.0, min(left, *dues)) if dues else left)
            clock += time.monotonic() - waiting
            for one in self.subjects:
                if one.schedule.is_over(clock):
                    self.process.arm(one.point)
            if hit is not None:
                self.clock = clock
                self._at(hit)

    def _at(self, hit: Hit) -> None:
        one = self.subjects[hit.point]
        if one.finished or not one.schedule.is_wanted():
            self.process.proceed(hit)
            return
        begun = time.monotonic()
        try:
            with interrupts_held(), self.process.visit(hit) as visit:
                self._look(visit, hit, one)
        except TargetError:  # it was killed meanwhile
            pass
        if one.hopeless or len(one.kept) >= self.most or one.bytes > _MOST_BYTES:
            one.finished = True
            self.process.disarm(hit.point)
        elif one.schedule.looked(self.clock, time.monotonic() - begun):
            self.process.disarm(hit.point)
        self.tell(len(self.entries))

    def _look(self, visit: Visit, hit: Hit, one: _Subject) -> None:
        """Captures the call, if it is a new one."""
        self.mappings.add(visit.thread.pid, visit.mappings)
        live = LiveMemory(visit)
        state = _state(visit.registers, visit.floats)
        bare = EntryState(hit.address, state, live.dead_from(visit.registers.rsp))
        for known, captured in one.known:
            if known.is_same(self.tool, bare, visit.read):
                captured.seen += 1
                return
        reached = reach(self.tool, bare, live.page)
        # Where it does not come to its return in isolation it may run for long, or wait for other threads.
        came = StayedAway("") if reached.after is None else self._return(visit, reached.seconds)
        after = None
        if isinstance(came, CameBack):
            after = live.after(reached.entry, _state(came.registers, came.floats))
        replayed = self._verdict(visit, reached, came, after)
        entry = replace(reached.entry, state=self._thin(reached.entry.state, one))
        after = after and self._thin(after, one)
        captured = Captured(
            hit.point,
            visit.thread.pid,
            visit.thread.tid,
            one.schedule.calls,
            entry,
            after,
            replayed,
            came.registers.rip if isinstance(came, CameBack) else 0,
        )
        self.entries.append(captured)
        one.kept.append(captured)
        if replayed and after is not None:
            one.known.append((Known.of(self.tool, entry, after, reached.seconds), captured))

    def _return(self, visit: Visit, seconds: float) -> CameBack | StayedAway:
        """Runs the real thread to the return. Calls that it makes on the way are looked at as any others."""
        return visit.run_to_return(min(_LONGEST_S, _LEAST_S + _PATIENCE * seconds), self._at)

    def _thin(self, state: MachineState, one: _Subject) -> MachineState:
        """The same state, whose memory is that of earlier ones where it is equal."""
        memory: list[MemoryRegion] = []
        for region in state.memory:
            data = self.shared.setdefault(region.data, region.data)
            one.bytes += len(data) if data is region.data else 0
            memory.append(replace(region, data=data))
        return replace(state, memory=tuple(memory))

    def _verdict(
        self, visit: Visit, reached: Reached, came: CameBack | StayedAway, after: MachineState | None
    ) -> Replayed:
        if reached.after is None:
            return Replayed(ReplayVerdict.CANNOT, f"The function {reached.reason}.")
        if isinstance(came, StayedAway) or after is None:
            reason = came.reason if isinstance(came, StayedAway) else "takes memory away that it reached"
            return Replayed(ReplayVerdict.CANNOT, f"The function {reason}.")
        done: Outcome = Finished(reached.after)
        found = compare(reached.entry, after, done)
        if found:
            return found
        causes = [cause for cause in (came.disturbed, "" if visit.alone else "other threads ran") if cause]
        again = run_entry(self.tool, reached.entry)
        if not isinstance(again, Finished) or difference(reached.entry, reached.after, again.state):
            causes.append("it does not do the same twice (a clock, say)")
        if not causes:
            return found
        return replace(found, difference=f"{found.difference} Perhaps because {' and '.join(causes)}.")


def _state(registers: Registers, floats: FloatRegisters) -> MachineState:
    """The registers of a stopped thread, without memory."""
    return MachineState(
        tuple(registers.get(name) for name in GPR_NAMES),
        tuple(floats.xmm(n) for n in range(16)),
        registers.eflags & FLAGS_MASK,
        floats.mxcsr,
        (),
        registers.fs_base,
    )
