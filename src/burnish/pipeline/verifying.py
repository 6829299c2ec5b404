"""What ``burnish verify`` is asked, and what it answers."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from burnish.core.specification import Specification
from burnish.core.verdict import (
    Accept,
    Bounded,
    Counterexample,
    Proved,
    Refuted,
    Tested,
    Unknown,
    Verdict,
    strength,
)
from burnish.pipeline.results import Result
from burnish.verify.callees import proviso
from burnish.verify.decide import Effort
from burnish.verify.solve.query import Choice
from burnish.verify.subject import Overrides, Syntax

HOLDS, REFUTED, UNKNOWN = 0, 1, 3
"""Exit codes."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """``timeout_s`` bounds the work on one pair of functions; ``tests`` is how many inputs are tried first, ``bound``
    how often loops are unrolled for which no invariant is found. ``cflags`` are gcc's, ``rewrite_cflags`` those for the
    rewrite where they are others. ``smt_lib`` is a folder for the solvers' queries. Without ``cache`` nothing is used
    that earlier runs left. ``certificate`` is the file to write what was found to. ``jobs`` pairs are worked on at a
    time. With ``replay`` both functions are run on that input, and nothing else is done."""

    function: str | None = None
    against: str | None = None
    overrides: Overrides = field(default_factory=Overrides)
    bound: int = 8
    timeout_s: float = 60.0
    solver: Choice = Choice.FIRST
    accept: Accept = Accept.PROVED
    tests: int = 512
    seed: int = 0
    cflags: tuple[str, ...] = ("-O2",)
    rewrite_cflags: tuple[str, ...] | None = None
    syntax: Syntax = "att"
    smt_lib: Path | None = None
    cache: bool = True
    recording: Path | None = None
    certificate: Path | None = None
    jobs: int = 1
    replay: Counterexample | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What of it must be said on a command line to compare the same: how the files are read, and what counts."""
        overrides, usual = self.overrides, VerifyOptions()
        words: list[str] = []
        if overrides.live_out is not None:
            words += ["--live-out", ",".join(overrides.live_out)]
        if not overrides.memory:
            words.append("--no-memory")
        for condition in overrides.assume:
            words += ["--assume", condition]
        if overrides.prototype is not None:
            words += ["--prototype", overrides.prototype]
        if overrides.same_callees:
            words.append("--assume-same-callees")
        if overrides.types:
            words.append("--assume-types")
        if self.cflags != usual.cflags:
            words.append(f"--cflags={shlex.join(self.cflags)}")
        if self.rewrite_cflags is not None:
            words.append(f"--rewrite-cflags={shlex.join(self.rewrite_cflags)}")
        if self.syntax != usual.syntax:
            words += ["--syntax", self.syntax]
        return tuple(words)


@dataclass(frozen=True, slots=True)
class FunctionVerdict:
    """The verdict on one pair of functions. ``reason`` is why it is no stronger one, ``provisos`` what it takes for
    granted; ``specification`` is None where it could not be told; ``notes`` are sentences on how the pair was read."""

    function: str
    against: str
    verdict: Verdict
    reason: str = ""
    specification: Specification | None = None
    provisos: tuple[str, ...] = ()
    effort: Effort = field(default_factory=Effort)
    notes: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    """Callees that are taken to be the same on both sides, and were not proved to be."""
    trusted: tuple[str, ...] = ()
    """All that are taken to be, proved or not."""
    addresses: tuple[int, int] = (0, 0)
    """Of both functions, in their files."""

    @property
    def conditional(self) -> bool:
        """True where the verdict takes for granted what the user did not."""
        return bool(self.taken or self.provisos)

    @property
    def overrides(self) -> tuple[str, ...]:
        """What stands beside the verdict."""
        changed = () if self.specification is None else self.specification.overrides
        provisos = (*self.provisos, *map(proviso, self.taken))
        return (*changed, *(f"provided that {phrase}" for phrase in provisos))


@dataclass(frozen=True, slots=True)
class Verification(Result):
    """What ``verify`` found: one verdict a pair of functions, in the order of the original's addresses. ``seconds`` is
    all the time it took."""

    verb: ClassVar[str] = "verify"
    original: str
    rewrite: str
    accept: Accept
    functions: tuple[FunctionVerdict, ...]
    seconds: float
    seed: int
    claims: tuple[Verdict, ...] = ()
    """Where a certificate was checked again: what it says, for each function."""
    again: tuple[str, ...] = ()
    """The words of a command line that compare the same, beside files and function."""

    @property
    def verdict(self) -> Verdict:
        """The weakest of all."""
        return min((row.verdict for row in self.functions), key=strength)

    @property
    def exit_code(self) -> int:
        """0 where all verdicts are as strong as was asked for, 1 where one is ``REFUTED``, else 3."""
        codes = [exit_code(row, self.accept) for row in self.functions]
        return REFUTED if REFUTED in codes else max(codes, default=UNKNOWN)


def exit_code(row: FunctionVerdict, accept: Accept) -> int:
    """0 where the verdict is as strong as is asked for and takes nothing for granted that the user did not, 1 where it
    is ``REFUTED``, else 3."""
    match row.verdict:
        case Refuted():
            return REFUTED
        case Unknown():
            return UNKNOWN
        case Proved() | Bounded() | Tested():
            strong = accept.allows(row.verdict) and not row.conditional
            return HOLDS if strong else UNKNOWN
