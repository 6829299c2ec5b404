"""Does a program do the same after every function of it was rebuilt? A seeded campaign over compiled C.

    python benchmarks/recompile_fuzz.py [--seeds N] [--seed S] [--jobs J] [--keep FOLDER] [--no-csmith]

Each seed makes one program: csmith's (Yang, Chen, Eide and Regehr, "Finding and Understanding Bugs in C
Compilers", PLDI 2011), or in turn one of ``tests/recompile/programs``, compiled with a compiler and flags drawn
from the seed. ``recompile --all`` runs on it, and original and rebuilt program must print the same and exit
alike. It exits with 1 if any differs, and says how to do it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.pipeline.recompile import recompile

_PROGRAMS = Path(__file__).parents[1] / "tests" / "recompile" / "programs"
_LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Og")
_POSITIONS = ("", "-fPIE -pie", "-fno-pie -no-pie")
_EXTRAS = ("", "-fno-inline", "-ffunction-sections", "-fno-omit-frame-pointer", "-fno-stack-protector",
    "-fstack-protector-all", "-fno-ipa-ra", "-fno-tree-vectorize", "-funroll-loops", "-fcf-protection=full",
    "-fno-plt", "-fno-jump-tables")  # fmt: skip
_GCC_ONLY = ("-fno-ipa-ra",)
_CSMITH = ("", "--float", "--max-funcs 4", "--max-struct-fields 20", "--no-volatiles")
_RUN_LIMIT_S = 5.0
_BUILD_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Case:
    """One program of the campaign: what makes its source, and what compiles it."""

    seed: int
    source: Path | None
    generator: str
    compiler: str
    cpu: str

    @property
    def name(self) -> str:
        return self.source.stem if self.source else f"csmith {self.generator}".strip()


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a case. ``wrong`` says what differed, empty if nothing did; ``skipped`` why nothing was
    compared."""

    case: Case
    rebuilt: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    wrong: str = ""
    skipped: str = ""


def case(seed: int, csmith: bool) -> Case:
    """The case that a seed stands for."""
    choose = random.Random(seed)
    own = sorted(_PROGRAMS.glob("*.c"))
    generated = csmith and seed % 4 != 3
    compilers = [name for name in ("gcc", "gcc", "clang") if shutil.which(name)]
    compiler = choose.choice(compilers)
    extra = choose.choice([e for e in _EXTRAS if compiler == "gcc" or e not in _GCC_ONLY])
    flags = (choose.choice(_LEVELS), choose.choice(_POSITIONS), extra)
    generator = choose.choice(_CSMITH) if generated else ""
    source = None if generated else choose.choice(own)
    return Case(
        seed,
        source,
        generator,
        " ".join([compiler, *filter(None, flags)]),
        choose.choice(("x86-64", "native")),
    )


def try_case(wanted: Case, folder: Path) -> Finding:
    """Make, compile, rebuild and run one program. Its files lie in ``folder``."""
    source = wanted.source or folder / "program.c"
    if wanted.source is None:
        generator = ["csmith", "--seed", str(wanted.seed), *shlex.split(wanted.generator)]
        made = _output(generator, 60, folder)  # it writes a file where it is run
        if made is None or made[0]:
            return Finding(wanted, skipped="csmith made no program")
        source.write_bytes(made[1])
    original, rebuilt = folder / "original", folder / "rebuilt"
    libraries = ("-lm", "-lpthread")
    words = [
        *shlex.split(wanted.compiler),
        "-w",
        "-I/usr/include/csmith",
        "-o",
        str(original),
        str(source),
        *libraries,
    ]
    built = _output(words, 120)
    if built is None or built[0]:
        return Finding(wanted, skipped="it did not compile")
    expected = _output([str(original)], _RUN_LIMIT_S)
    if expected is None:
        return Finding(wanted, skipped="the original did not end in time")
    done = _rebuilt_in_child(original, rebuilt, wanted.cpu)
    if isinstance(done, str):
        return Finding(wanted, wrong=done)
    got = _output([str(rebuilt)], 10 * _RUN_LIMIT_S)
    wrong = "" if got == expected else f"expected {_shown(expected)}, got {_shown(got)}"
    return Finding(wanted, done[0], done[1], wrong)


def _rebuilt_in_child(original: Path, output: Path, cpu: str) -> tuple[int, Counter[str]] | str:
    """Rebuild in a child process, since LLVM may end it; the sentence that says what went wrong, if anything."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def work() -> None:
        try:
            done = recompile(original, output, None, cpu)
        except BurnishError as error:
            theirs.send(f"recompile: {error}")
            return
        refused = Counter(left.refused.reason.value for left in done.refused)
        theirs.send((len(done.patched.functions), refused))

    child = context.Process(target=work)
    child.start()
    theirs.close()
    try:
        found = (
            ours.recv() if ours.poll(_BUILD_LIMIT_S) else f"recompile took more than {_BUILD_LIMIT_S:.0f} s"
        )
    except EOFError:
        child.join()
        found = f"recompile died with {child.exitcode}"
    child.kill()
    child.join()
    return found


def _output(words: Sequence[str], limit: float, folder: Path | None = None) -> tuple[int, bytes] | None:
    """Exit code and standard output; None when it does not end in time."""
    try:
        done = subprocess.run(words, capture_output=True, timeout=limit, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        return None
    return done.returncode, done.stdout


def _shown(result: tuple[int, bytes] | None) -> str:
    if result is None:
        return "no end in time"
    return f"exit code {result[0]} and {result[1][-60:]!r}"


def _campaign(wanted: Sequence[Case], jobs: int, keep: Path) -> list[Finding]:
    """Try all cases; files of those that went wrong stay in ``keep``."""

    def one(item: Case) -> Finding:
        folder = Path(tempfile.mkdtemp(prefix=f"{item.seed}-", dir=keep))
        found = try_case(item, folder)
        if not found.wrong:
            shutil.rmtree(folder)
            return found
        print(f"MISMATCH seed {item.seed}: {item.name}, {item.compiler}, for {item.cpu}: {found.wrong}")
        print(f"  files: {folder}\n  again: python {sys.argv[0]} --seeds 1 --seed {item.seed}", flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, wanted))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Compare programs with themselves rebuilt.")
    parser.add_argument("--seeds", type=int, default=100, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="programs at a time")
    parser.add_argument("--keep", type=Path, help="folder for the files of what went wrong")
    parser.add_argument("--no-csmith", action="store_true", help="only the programs of the test suite")
    options = parser.parse_args()
    csmith = not options.no_csmith and shutil.which("csmith") is not None
    keep = Path(options.keep or tempfile.mkdtemp(prefix="recompile-fuzz-"))
    keep.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    wanted = [case(seed, csmith) for seed in range(options.seed, options.seed + options.seeds)]
    found = _campaign(wanted, options.jobs, keep)
    reasons = sum((item.refused for item in found), Counter[str]())
    skipped = Counter(item.skipped for item in found if item.skipped)
    print(
        f"{len(found)} programs ({'with' if csmith else 'without'} csmith) in {time.monotonic() - began:.0f} s"
    )
    print(f"{sum(item.rebuilt for item in found)} functions rebuilt, {reasons.total()} refused:")
    for reason, count in reasons.most_common():
        print(f"  {count:6} {reason}")
    for reason, count in skipped.most_common():
        print(f"{count:8} programs skipped: {reason}")
    wrong = sum(bool(item.wrong) for item in found)
    print(f"{wrong} mismatches")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
