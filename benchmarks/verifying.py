"""Asks ``burnish.verify`` for verdicts, many at a time, each in a child process that can be ended.

A child that dies or does not answer within its limit is a verdict, too: ``lost``. It counts as not decided.
"""

from __future__ import annotations

import atexit
import multiprocessing
import resource
import sys
import time
from argparse import ArgumentParser
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.core.errors import BurnishError
from burnish.core.verdict import Refuted, Unknown, verdict_to_json
from burnish.pipeline.results import plain

if TYPE_CHECKING:
    from burnish.verify.decide import TestResult
    from burnish.verify.engines import StandardEngines
    from burnish.verify.pair import Pair
    from burnish.verify.subject import Input

DECIDED = ("proved", "provided", "refuted")
KINDS = ("proved", "provided", "refuted", "bounded", "tested", "unknown", "lost", "error")
_MEMORY_BYTES = 12 << 30
_GRACE_S = 60.0
_TIMEOUT_S = 60.0
_TESTS = 512
_INPUTS = 8
_LISTS = ("live_out", "assume")


@dataclass(frozen=True, slots=True)
class Task:
    """Two files, a function of both, and options of ``burnish.verify`` by name. ``key`` is the caller's own."""

    key: str
    original: Path
    rewrite: Path
    function: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict: its kind (one of ``KINDS``; ``provided`` is proved under provisos), its reason or provisos or
    what differs, the seconds that it took, and what was done for it (``burnish.verify.decide.Effort``) as JSON data."""

    kind: str
    reason: str
    seconds: float
    document: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def decided(self) -> bool:
        """True for proved, if only under provisos, and refuted."""
        return self.kind in DECIDED


def verdict_options(made: ArgumentParser, timeout: float, jobs: int = 1) -> None:
    """Adds what all that ask for verdicts take."""
    made.add_argument("--jobs", type=int, default=jobs, help=f"verdicts at a time ({jobs}; times need 1)")
    made.add_argument("--timeout", type=float, default=timeout, help=f"seconds for one verdict ({timeout:g})")


def options_of(words: Sequence[str]) -> dict[str, Any]:
    """The options of a command line as options of a task."""
    found: dict[str, Any] = {}
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if word == "--no-memory":
            found["memory"] = False
            continue
        name, value = word.removeprefix("--").replace("-", "_"), rest.popleft()
        name = "timeout_s" if name == "timeout" else name
        if name in _LISTS:
            found[name] = (*found.get(name, ()), *(value.split(",") if name == "live_out" else [value]))
        else:
            found[name] = int(value) if value.isdigit() else value
    return found


def judge(task: Task) -> Judged:
    """One verdict, in this process, with solvers and files that are kept from call to call.

    The seconds are those of a session: from two files that have been read to the verdict.
    """
    session = _session(task.options.get("solver", "first"), task.options.get("tests", _TESTS))
    try:
        return session.judge(task)
    except BurnishError as error:
        return Judged("error", str(error), 0.0)


@cache
def _session(solver: str, tests: int) -> _Session:
    made = _Session(solver, tests)
    atexit.register(made.close)
    return made


class _Session:
    """What ``burnish.verify`` sets up for each call, set up once."""

    def __init__(self, solver: str, tests: int) -> None:
        from burnish.verify.engines import StandardEngines
        from burnish.verify.solve.query import Choice

        self._engines = StandardEngines(Choice(solver), tests=tests)
        self._inputs: OrderedDict[Path, Input] = OrderedDict()

    def close(self) -> None:
        """Ends the solvers."""
        self._engines.__exit__(None, None, None)

    def judge(self, task: Task) -> Judged:
        """One verdict."""
        from burnish.verify.decide import decide
        from burnish.verify.keeping import Keeping
        from burnish.verify.subject import Overrides, choose_functions, read_pair

        options = task.options
        inputs = self._input(task.original), self._input(task.rewrite)
        functions = choose_functions(*inputs, task.function)[0]
        live_out = options.get("live_out")
        overrides = Overrides(
            None if live_out is None else tuple(live_out),
            options.get("memory", True),
            tuple(options.get("assume", ())),
            options.get("prototype"),
            options.get("same_callees", False),
            options.get("types", False),
        )
        began = time.perf_counter()
        reading = read_pair(*inputs, functions, overrides)
        if isinstance(reading, Unknown):
            return Judged("unknown", reading.reason, time.perf_counter() - began)
        engines = _ProofAlone(self._engines) if options.get("proof_alone") else self._engines
        if overrides.types:
            engines = Keeping(engines)
        decision = decide(reading.pair, engines, options.get("timeout_s", _TIMEOUT_S))
        seconds = time.perf_counter() - began
        effort = plain(decision.effort)
        verdict = decision.verdict
        reason = (
            " ".join(verdict.counterexample.differing) if isinstance(verdict, Refuted) else decision.reason
        )
        kind = verdict_to_json(verdict)["kind"]
        if kind == "proved" and decision.provisos:
            kind, reason = "provided", "; ".join(decision.provisos)
        return Judged(kind, reason, seconds, effort)

    def _input(self, path: Path) -> Input:
        from burnish.verify.subject import read_input

        if path not in self._inputs:
            self._inputs[path] = read_input(path)
            if len(self._inputs) > _INPUTS:
                self._inputs.popitem(last=False)
        self._inputs.move_to_end(path)
        return self._inputs[path]


class _ProofAlone:
    """Engines whose tests find nothing, but let a proof learn from what they ran: it is the proof that is judged."""

    def __init__(self, engines: StandardEngines) -> None:
        self._engines = engines

    def glance(self, pair: Pair, seconds: float) -> TestResult:
        """Nothing is run yet."""
        from burnish.verify.decide import Untested

        del pair, seconds
        return Untested("tests do not count")

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Forgets what they found."""
        from burnish.verify.decide import Untested

        self._engines.test(pair, seconds)
        return Untested("tests do not count")

    def explore(self, pair: Pair, seconds: float) -> TestResult:
        """Runs nothing more."""
        from burnish.verify.decide import Untested

        del pair, seconds
        return Untested("tests do not count")

    def __getattr__(self, name: str) -> Any:
        """All else is theirs."""
        return getattr(self._engines, name)


def counted(text: str) -> None:
    """Shows how far a run is, on a terminal."""
    if sys.stderr.isatty():
        print(text, end="\r", file=sys.stderr)


def judged(tasks: Iterable[Task], jobs: int, limit_s: float) -> Iterator[tuple[Task, Judged]]:
    """The verdict of each task, as they come. ``limit_s`` is the verifier's own; somewhat later a child is ended."""
    waiting = iter(tasks)
    children: list[_Child] = []
    try:
        while True:
            while len(children) < jobs:
                child = _Child()
                if not child.give(waiting):
                    child.end()
                    break
                children.append(child)
            if not children:
                return
            ready = wait([child.pipe for child in children], timeout=0.5)
            for child in list(children):
                assert child.task is not None
                if child.pipe in ready:
                    answer = child.answer()
                    if answer is None:
                        continue
                elif time.monotonic() - child.since > limit_s + _GRACE_S:
                    answer = Judged("lost", "no answer in time", time.monotonic() - child.since)
                    child.end()
                else:
                    continue
                yield child.task, answer
                if not child.alive or not child.give(waiting):
                    child.end()
                    children.remove(child)
    finally:
        for child in children:
            child.end()


class _Child:
    """A process that judges one task after another."""

    def __init__(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(theirs,), daemon=False
        )
        self._process.start()
        theirs.close()
        self.task: Task | None = None
        self.since = time.monotonic()
        self.alive = True

    def give(self, waiting: Iterator[Task]) -> bool:
        """Hands it the next task; False where there is none."""
        self.task = next(waiting, None)
        if self.task is None:
            return False
        self.since = time.monotonic()
        self.pipe.send(self.task)
        return True

    def answer(self) -> Judged | None:
        """What it says; ``lost`` where it died. None where it says that it has started: its time counts from then."""
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.end()
            return Judged(
                "lost", f"its process ended ({self._process.exitcode})", time.monotonic() - self.since
            )
        if answer is None:
            self.since = time.monotonic()
        return answer

    def end(self) -> None:
        """Ends the process."""
        self.alive = False
        self.pipe.close()
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _session("first", _TESTS)
    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            answer = judge(task)
        except Exception as error:
            answer = Judged("error", f"{type(error).__name__}: {error}", 0.0)
        pipe.send(answer)
