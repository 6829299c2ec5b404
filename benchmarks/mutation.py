"""Claim: no mutant that does something else than the original is ever proved to be equal.

Pairs of equal functions (Hacker's Delight, examples of loops, string functions) are taken, one side of each is changed
in one instruction (``mutants.py``). A mutant that is ``PROVED`` against the other side, and differs from it on any of
100,000 inputs when both are run, is a false proof: both objects are kept, with the command that shows it.
The others are run on the first few thousand of those inputs, to tell how many of them differ.
What the verifier's own tests find is left out, so that the proof alone is put to the test.

    python benchmarks/mutation.py [--quick] [--seed N] [--count N] [--jobs N] [--timeout SECONDS] [--only SUBJECT …]
                                  [--inputs N] [--native] [--with-tests] [--keep FILE] [--reproducers FOLDER]

``--native`` runs the mutants and asks for no verdict. Each mutant is a line of ``--keep`` as soon as it is judged,
and a run that finds that file goes on where the last one stopped.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.report.tables import Column, print_line, print_table
from burnish.runtime.isolation import Executor
from harness import ROOT, Figure, common, finish, parser
from mutants import KINDS, Mutant, mutants
from mutation_native import LIMITS, NO_END, Differs, differs, slow_but_equal
from mutation_subjects import Code, Subject, subjects
from verifying import DECIDED, Judged, Task, counted, judged, options_of, verdict_options

_KEPT = ROOT / "out" / "benchmarks" / "mutation.rows.jsonl"
_REPRODUCERS = ROOT / "out" / "mutation"
_BATCH = 32
_FEW = 4352
"""Inputs that every mutant is run on."""
_TESTS = 64
_PROVED = ("proved", "provided")
_ROOM = 3
"""Times its share that a subject is asked for: what others lack."""
_ORIGINAL_SHARE = 4
"""Every so many mutants are of the original instead of the rewrite."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a mutant. ``differs`` says what differs natively, empty for nothing on ``inputs`` inputs."""

    subject: str
    side: str
    number: int
    kind: str
    text: str
    differs: str
    inputs: int
    verdict: str = ""
    reason: str = ""
    seconds: float = 0.0

    @property
    def false_proof(self) -> bool:
        """True for the worst bug."""
        return bool(self.differs) and self.verdict in _PROVED


@dataclass(frozen=True, slots=True)
class Made:
    """A mutant of one side of a subject, run but not judged yet. ``number`` counts a side's mutants."""

    subject: Subject
    side: str
    number: int
    mutant: Mutant
    native: Differs

    @property
    def key(self) -> tuple[str, str, int]:
        return self.subject.name, self.side, self.number

    def row(self, answer: Judged | None = None) -> Row:
        """What is kept of it."""
        verdict = (answer.kind, answer.reason, answer.seconds) if answer else ("", "", 0.0)
        found = self.native
        return Row(*self.key, self.mutant.kind, self.mutant.text, found.what, found.inputs, *verdict)


def made(
    chosen: Sequence[Subject],
    count: int,
    seed: int,
    inputs: int,
    known: frozenset[tuple[str, str, int]] = frozenset(),
) -> Iterator[Made]:
    """``count`` mutants of all subjects together, run natively, in batches that all subjects take turns at.

    Subjects have equal shares; what small ones cannot fill, the others do.
    """
    plans = [_Plan(subject, seed, _ROOM * -(-count // len(chosen))) for subject in chosen]
    share = _share([plan.size for plan in plans], count)
    for plan in plans:
        plan.keep(share, known)
    with Executor(LIMITS) as executor:
        while plans:
            for plan in list(plans):
                batch = plan.batch()
                if not batch:
                    plans.remove(plan)
                    continue
                side = batch[0][0]
                found = differs(executor, plan.subject, side, [m for _, _, m in batch], inputs, seed)
                for (_, number, mutant), native in zip(batch, found, strict=True):
                    yield Made(plan.subject, side, number, mutant, native)


def _share(sizes: Sequence[int], count: int) -> int:
    """The least share of each with which all together have ``count``, or all that there are."""
    share = 0
    while sum(min(size, share) for size in sizes) < min(count, sum(sizes)):
        share += 1
    return share


class _Plan:
    """The mutants of one subject that are still to be run."""

    def __init__(self, subject: Subject, seed: int, room: int) -> None:
        self.subject = subject
        self._waiting: list[tuple[str, int, Mutant]] = []
        shares = _sides(room)
        for side, share in shares.items():
            code = Code.of(subject.original if side == "original" else subject.rewrite, subject.function)
            found = mutants(code.data, f"{seed} {subject.name} {side}", share, code.relocated)
            self._waiting += ((side, number, mutant) for number, mutant in enumerate(found))

    @property
    def size(self) -> int:
        """How many mutants there are."""
        return len(self._waiting)

    def keep(self, share: int, known: frozenset[tuple[str, str, int]]) -> None:
        """Leaves ``share`` of them, without those that are ``known`` already."""
        name, sides = self.subject.name, _sides(share)
        present = Counter(side for side, _, _ in self._waiting)
        for side, other in (("original", "rewrite"), ("rewrite", "original")):
            # What one side lacks the other has.
            sides[side] += max(0, sides[other] - present[other])
        self._waiting = [
            (side, number, mutant)
            for side, number, mutant in self._waiting
            if number < sides[side] and (name, side, number) not in known
        ]

    def batch(self) -> list[tuple[str, int, Mutant]]:
        """The next ones, all of one side."""
        side = self._waiting[0][0] if self._waiting else ""
        taken = [item for item in self._waiting[:_BATCH] if item[0] == side]
        self._waiting = self._waiting[len(taken) :]
        return taken


def _sides(share: int) -> dict[str, int]:
    return {"original": share // _ORIGINAL_SHARE, "rewrite": share - share // _ORIGINAL_SHARE}


class Judge:
    """Turns mutants into tasks for the verifier, and its answers into rows; keeps what shows a false proof."""

    def __init__(
        self, folder: Path, timeout: float, with_tests: bool, reproducers: Path, inputs: int, seed: int
    ) -> None:
        self._folder = folder
        self._inputs = inputs
        self._seed = seed
        self._timeout = timeout
        self._with_tests = with_tests
        self._reproducers = reproducers
        self._made: dict[str, Made] = {}

    def tasks(self, mutants_made: Iterator[Made]) -> Iterator[Task]:
        """A task for each mutant, whose object is written just before."""
        for one in mutants_made:
            key = "-".join(map(str, one.key))
            self._made[key] = one
            subject = one.subject
            path = subject.original if one.side == "original" else subject.rewrite
            changed = Code.of(path, subject.function).mutated(one.mutant, self._folder / f"{key}.o")
            pair = (changed, subject.rewrite) if one.side == "original" else (subject.original, changed)
            options = options_of(subject.options) | {"timeout_s": self._timeout, "cache": False}
            options["proof_alone"] = not self._with_tests
            options["tests"] = _TESTS
            yield Task(key, *pair, subject.function, options)

    def row(self, task: Task, answer: Judged) -> Row:
        """The row of a task that is done."""
        one = self._made.pop(task.key)
        found = one.row(answer)
        if found.verdict in _PROVED and not found.differs:
            with Executor(LIMITS) as executor:
                (native,) = differs(
                    executor, one.subject, one.side, [one.mutant], self._inputs, self._seed, one.native.inputs
                )
            one = replace(one, native=native)
            found = one.row(answer)
        slow = found.false_proof and found.differs == NO_END
        if slow and slow_but_equal(one.subject, one.side, one.mutant, one.native):
            found = replace(found, differs="", text=f"{found.text} (slow)")
        if found.false_proof:
            folder = self._reproducers / task.key
            folder.mkdir(parents=True, exist_ok=True)
            for name, path in (("original.o", task.original), ("rewrite.o", task.rewrite)):
                (folder / name).write_bytes(path.read_bytes())
            command = [
                "burnish",
                "verify",
                str(folder / "original.o"),
                str(folder / "rewrite.o"),
                "--function",
                task.function,
            ]
            print_line(f"FALSE PROOF: {found.text}: {found.differs}\n  {shlex.join(command)}")
        (self._folder / f"{task.key}.o").unlink()
        return found


def table(rows: Sequence[Row]) -> None:
    """Counts by kind of mutant, of those that differ natively and those that do not."""
    verdicts = sorted({row.verdict for row in rows if row.verdict})
    columns = (
        Column("mutants"),
        Column("differ"),
        Column("number"),
        *(Column(verdict) for verdict in verdicts),
    )
    cells: list[tuple[str, ...]] = []
    for kind in (*KINDS, "all"):
        for yes in (True, False):
            mine = [row for row in rows if kind in (row.kind, "all") and bool(row.differs) is yes]
            counts = Counter(row.verdict for row in mine)
            cells.append((kind, "yes" if yes else "no", str(len(mine)), *(str(counts[v]) for v in verdicts)))
    print_table(columns, cells)


def _reasons(rows: Sequence[Row]) -> None:
    found = Counter(f"{row.verdict}: {row.reason}" for row in rows if row.verdict not in DECIDED)
    print_table(
        (Column("mutants"), Column("reason", folds=True)),
        [(str(n), text) for text, n in found.most_common(20)],
    )


def figures(rows: Sequence[Row]) -> list[Figure]:
    """The rows of BENCHMARKS.md."""
    wrong = [row for row in rows if row.differs]
    bad = sum(row.false_proof for row in rows)
    proved = sum(row.verdict in _PROVED for row in rows)
    refuted = sum(row.verdict == "refuted" for row in wrong)
    same = len(rows) - len(wrong)
    return [
        Figure("mutants that differ natively, and are PROVED", f"{bad} of {len(wrong)}", "0", "", bad == 0),
        Figure("mutants that differ natively, and are refuted", f"{refuted} of {len(wrong)}"),
        Figure("mutants that differ on no input, and are PROVED", f"{proved - bad} of {same}"),
    ]


def main() -> int:
    """The command."""
    options_of_all = parser(__doc__)
    options_of_all.add_argument("--count", type=int, help="mutants (20,000; quick: 300)")
    options_of_all.add_argument(
        "--inputs", type=int, help="inputs that a proved mutant is run on (100,000; quick: 5,000)"
    )
    options_of_all.add_argument("--only", nargs="+", default=(), metavar="SUBJECT")
    verdict_options(options_of_all, timeout=5.0, jobs=2)
    options_of_all.add_argument("--native", action="store_true", help="run them, and ask for no verdict")
    options_of_all.add_argument("--with-tests", action="store_true", help="the verifier may test first")
    options_of_all.add_argument("--keep", type=Path, default=_KEPT, help="file of mutants, taken up again")
    options_of_all.add_argument(
        "--reproducers", type=Path, default=_REPRODUCERS, help="folder of false proofs"
    )
    arguments = options_of_all.parse_args()
    options = common(arguments)
    count = arguments.count or (300 if options.quick else 20_000)
    inputs = arguments.inputs or (5_000 if options.quick else 100_000)
    keep: Path = arguments.keep
    keep.parent.mkdir(parents=True, exist_ok=True)
    rows = [Row(**json.loads(line)) for line in keep.read_text().splitlines()] if keep.exists() else []
    known = frozenset((row.subject, row.side, row.number) for row in rows)
    with TemporaryDirectory(prefix="burnish-") as folder, keep.open("a") as file:
        chosen = subjects(Path(folder), arguments.only)
        waiting = made(chosen, count, options.seed, inputs if arguments.native else min(inputs, _FEW), known)
        judge = Judge(
            Path(folder), arguments.timeout, arguments.with_tests, arguments.reproducers, inputs, options.seed
        )
        if arguments.native:
            found = (one.row() for one in waiting)
        else:
            answers = judged(judge.tasks(waiting), arguments.jobs, arguments.timeout)
            found = (judge.row(task, answer) for task, answer in answers)
        for row in found:
            rows.append(row)
            file.write(json.dumps(asdict(row)) + "\n")
            file.flush()
            counted(f"{len(rows)} of {count}")
    table(rows)
    _reasons(rows)
    return finish("mutation", options, figures(rows), {"mutants": len(rows), "kept": str(keep.name)})


if __name__ == "__main__":
    sys.exit(main())
