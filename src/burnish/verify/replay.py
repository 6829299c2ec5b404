"""Checks rebuilt functions against the originals on inputs captured from a real run, and on changed ones.

The command runs once, as it would without us. At sampled entries of a function its process is copied; in copies of
that copy the original runs from the entry to its return and the rebuilt code from the same state, and what they
leave is compared: registers, all memory, or the first system call that would be seen outside.

Entries are sampled over the whole run, the first ones more often than later ones (``record.schedule``).
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, assert_never

from burnish.core.deployment import ObjectCode
from burnish.core.errors import TargetError
from burnish.core.verdict import Counterexample, Refuted, Tested, Unknown, Verdict
from burnish.images.link import Layout, image_resolver
from burnish.record.schedule import Schedule
from burnish.runtime import ptrace
from burnish.runtime.address_space import free_near
from burnish.runtime.command import Command, CommandResult, Stream
from burnish.runtime.process import CodePoint, Hit, TracedCommand
from burnish.runtime.snapshot import Snapshot, UncapturableError
from burnish.runtime.vdso import VdsoPatch
from burnish.verify.compare import ALL_RETURNS, ReturnPart, dead_frame
from burnish.verify.mutate import Addresses, Input, mutate
from burnish.verify.trial import Agreed, Bench, Differs, TrialResult, Void, run_trial

_GAP_GROWTH = 1.5
_HOPELESS = 3
"""After so many entries that only timed out, and none that did not, a function is given up."""
_PATIENCE, _PATIENCE_S = 5.0, 0.01
_HIDDEN = ("ss", "cs", "ds", "es", "fs", "gs", "orig_rax")


@dataclass(frozen=True, slots=True)
class PlacedCode:
    """Code for one address, and where it is entered (an address)."""

    data: bytes = field(repr=False)
    entry: int


class CodeProvider(Protocol):
    """Rebuilt code that can be placed anywhere within reach of its image."""

    @property
    def size(self) -> int:
        """An upper bound of the number of bytes, at any address."""
        ...

    def place(self, address: int, image_base: int) -> PlacedCode:
        """The code for a page address, where image addresses are loaded ``image_base`` higher."""
        ...


@dataclass(frozen=True, slots=True)
class LinkedObjects:
    """The provider for rebuilt functions as the recompiler makes them. ``address`` is the image address of the
    function that is checked; the others are there for calls between them."""

    layout: Layout
    address: int

    @staticmethod
    def of(objects: Sequence[ObjectCode], address: int) -> LinkedObjects:
        """Raises ``LinkError`` for objects that cannot be linked."""
        return LinkedObjects(Layout.of(objects), address)

    @property
    def size(self) -> int:
        return self.layout.size

    def place(self, address: int, image_base: int) -> PlacedCode:
        """Raises ``LinkError`` where a relocation does not reach."""
        linked = self.layout.place(address, image_resolver(image_base))
        return PlacedCode(linked.data, linked.entry(self.address))


@dataclass(frozen=True, slots=True)
class Subject:
    """A function to check, and its replacement. ``address`` is an image address.

    ``returns`` is what a caller may look at; a register in it that differs is held against the replacement only
    where the caller in the run does look at it. ``stack_arguments`` bytes above the return address belong to the
    function.
    """

    image_path: Path
    address: int
    size: int
    name: str
    code: CodeProvider = field(repr=False)
    returns: tuple[ReturnPart, ...] = ALL_RETURNS
    stack_arguments: int = 0


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What the check of one function found.

    ``full_trials`` agreed on captured inputs up to the return, ``mutated_trials`` on changed ones;
    ``syscall_trials`` agreed up to the first system call that would be seen outside, and do not count for the
    verdict; ``void_trials`` tell nothing, for the reasons in ``void_reasons``. ``entries_seen`` is the number of
    calls that were looked at, of which some were sampled. ``seconds`` is the time that the trials took.
    """

    verdict: Verdict
    full_trials: int
    syscall_trials: int
    mutated_trials: int
    void_trials: int
    entries_seen: int
    seconds: float
    void_reasons: tuple[tuple[str, int], ...] = ()

    @property
    def counterexample(self) -> Counterexample | None:
        """The input on which the two differ, if one was found."""
        return self.verdict.counterexample if isinstance(self.verdict, Refuted) else None


@dataclass(frozen=True, slots=True)
class Replay:
    """The reports, in the order of the subjects, and how the command itself ended."""

    reports: tuple[ReplayReport, ...]
    run: CommandResult


@dataclass(slots=True)
class _Progress:
    """The trials of one subject so far, and when it is sampled next."""

    subject: Subject
    full: int = 0
    mutated: int = 0
    calls: int = 0
    void: Counter[str] = field(default_factory=Counter[str])
    timed_out: int = 0
    schedule: Schedule = field(default_factory=lambda: Schedule(_GAP_GROWTH))
    sampled: int = 0
    seconds: float = 0.0
    counterexample: Counterexample | None = None
    finished: bool = False

    @property
    def hopeless(self) -> bool:
        return self.timed_out >= _HOPELESS and not (self.full or self.mutated or self.calls)

    def add(self, result: TrialResult, start: Input) -> None:
        match result:
            case Agreed(returned, _):
                if not returned:
                    self.calls += 1
                elif start.changed:
                    self.mutated += 1
                else:
                    self.full += 1
            case Void(reason, timed_out):
                self.void[reason] += 1
                self.timed_out += timed_out
            case Differs(sentences):
                registers = _register_values(start)
                self.counterexample = Counterexample(
                    self.subject.name,
                    self.subject.address,
                    registers,
                    sentences,
                    start.changed,
                    start.seed,
                )
            case _:
                assert_never(result)

    def report(self) -> ReplayReport:
        return ReplayReport(
            verdict=self._verdict(),
            full_trials=self.full,
            syscall_trials=self.calls,
            mutated_trials=self.mutated,
            void_trials=self.void.total(),
            entries_seen=self.schedule.calls,
            seconds=self.seconds,
            void_reasons=tuple(self.void.most_common()),
        )

    def _verdict(self) -> Verdict:
        if self.counterexample is not None:
            return Refuted(self.counterexample)
        if self.full + self.mutated:
            return Tested(self.full + self.mutated)
        if self.calls:
            return Unknown("no call returned before its first system call")
        if self.void:
            return Unknown(self.void.most_common(1)[0][0])
        if self.schedule.calls:
            return Unknown("no time was left for a trial")
        return Unknown("the run did not call it")


def replay_check(
    command: Command,
    subjects: Sequence[Subject],
    *,
    stdout: Path | Stream = Stream.DISCARD,
    stderr: Path | Stream = Stream.DISCARD,
    timeout_s: float | None = None,
    budget_s: float = 60.0,
    entries_per_function: int = 24,
    mutations_per_entry: int = 4,
    trial_timeout_s: float = 2.0,
    seed: int = 0,
    let_finish: bool = True,
) -> Replay:
    """Runs ``command`` once and checks ``subjects`` while it runs.

    Trials take at most about ``budget_s`` of time in all; then, or when all subjects are done, tracing ends and
    the command runs on to its end if ``let_finish``, within ``timeout_s`` of its start (None: without limit),
    else it is ended. ``trial_timeout_s`` of processor time is what the original may use in one trial.

    Raises ``TargetError`` if the command cannot be started, ``HostError`` where tracing is forbidden,
    ``ImageError`` for a subject in what is no image, ``LinkError`` where code cannot be placed. What the
    command itself does wrong is in ``Replay.run``. On Ctrl-C the command is killed.
    """
    begun = time.monotonic()
    progress = [_Progress(subject) for subject in subjects]
    points = [CodePoint(subject.image_path, subject.address) for subject in subjects]
    bench = _Trials(
        entries_per_function, mutations_per_entry, trial_timeout_s, random.Random(seed), VdsoPatch()
    )
    with (
        ptrace.child_signals_waited(),
        TracedCommand(command, points, stdout=stdout, stderr=stderr) as process,
    ):
        end = begun + budget_s if timeout_s is None else begun + min(budget_s, timeout_s)
        _observe(process, progress, bench, end)
        left = None if timeout_s is None else max(0.0, begun + timeout_s - time.monotonic())
        run = process.finish(left if let_finish else 0.0)
    if run.interrupted:
        raise KeyboardInterrupt
    return Replay(tuple(one.report() for one in progress), run)


def _observe(process: TracedCommand, progress: Sequence[_Progress], trials: _Trials, end: float) -> None:
    """Samples entries until all subjects are done, the command has ended, or time is up."""
    clock = 0.0  # seconds that the command itself has run
    while not process.ended and (left := end - time.monotonic()) > 0:
        if all(one.finished for one in progress):
            return
        dues = [one.schedule.due - clock for one in progress if one.schedule.due is not None]
        waiting = time.monotonic()
        hit = process.next_hit(max(0.0, min(left, *dues)) if dues else left)
        clock += time.monotonic() - waiting
        for index, one in enumerate(progress):
            if one.schedule.is_over(clock):
                process.arm(index)
        if hit is None:
            continue
        one = progress[hit.point]
        if one.schedule.is_wanted():
            begun = time.monotonic()
            # One that is entered once, and takes long, must not use up the time of all others.
            share = (end - begun) / sum(not other.finished for other in progress)
            try:
                trials.at(process, hit, one, begun + share)
            except TargetError as error:  # the process was killed meanwhile, or cannot be copied
                one.void[str(error)] += 1
            one.seconds += time.monotonic() - begun
            _schedule(process, hit.point, one, clock, trials)
        process.proceed(hit)


def _schedule(process: TracedCommand, point: int, one: _Progress, clock: float, trials: _Trials) -> None:
    """Says which entry is sampled next."""
    one.sampled += 1
    if one.counterexample is not None or one.sampled >= trials.entries or one.hopeless:
        one.finished = True
        process.disarm(point)
    elif one.schedule.looked(clock):
        process.disarm(point)


@dataclass(slots=True)
class _Trials:
    """How trials are made."""

    entries: int
    mutations: int
    limit_s: float
    seeds: random.Random
    vdso: VdsoPatch

    def at(self, process: TracedCommand, hit: Hit, one: _Progress, end: float) -> None:
        """All trials of one entry, until ``end``."""
        with process.capture(hit) as base:
            base.isolate(self.vdso)
            bench = self._bench(base, one.subject, hit)
            captured = Input(base.registers, base.floats)
            result = run_trial(bench, captured, self.limit_s)
            one.add(result, captured)
            if not isinstance(result, Agreed):
                return
            # A changed input that takes much longer mostly never ends.
            limit_s = min(self.limit_s, _PATIENCE_S + _PATIENCE * result.seconds)
            addresses = Addresses.of(base.mappings)
            for _ in range(self.mutations):
                if one.counterexample is not None or time.monotonic() > end:
                    return
                start = mutate(base, captured, addresses, self.seeds.getrandbits(32))
                with suppress(UncapturableError):
                    one.add(run_trial(bench, start, limit_s), start)

    def _bench(self, base: Snapshot, subject: Subject, hit: Hit) -> Bench:
        mappings = base.mappings
        image = [m for m in mappings if m.path and m.path == _path_at(base, hit.address)]
        address = free_near(mappings, image[0].start, image[-1].end, subject.code.size)
        if address is None:
            raise UncapturableError(f"no free memory is within reach of {subject.image_path.name}")
        code = subject.code.place(address, hit.base)
        base.place(address, code.data)
        return_address = base.memory.word(base.registers.rsp)
        if return_address is None:
            raise UncapturableError("the stack of the process cannot be read")
        dead = dead_frame(mappings, base.registers.rsp, subject.stack_arguments)
        return Bench(base, code.entry, return_address, dead, subject.returns)


def _path_at(base: Snapshot, address: int) -> str:
    path = next((m.path for m in base.mappings if m.start <= address < m.end), None)
    if path is None:  # the copy was killed
        raise UncapturableError("the copy of the process is gone")
    return path


def _register_values(start: Input) -> dict[str, int]:
    fields = [name for name, *_ in start.registers._fields_ if name not in _HIDDEN]
    values = {name: start.registers.get(name) for name in fields}
    return values | {f"xmm{index}": start.floats.xmm(index) for index in range(16)}
