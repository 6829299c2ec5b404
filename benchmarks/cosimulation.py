"""Every instruction form of real libraries and programs, lifted, against the processor.

    python benchmarks/cosimulation.py [--states N] [--seed S] [FILE …]

Prints forms, states, disagreements, and the refused forms by reason; exits with 1 where anything disagrees.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path

from burnish.core.code import Instruction
from burnish.core.state import MachineState, Outcome
from burnish.domains.concrete import run
from burnish.images import load
from burnish.machine.lift import lift_all
from burnish.recompile.codegen import Target
from burnish.runtime.isolation import Executor, StateBatch
from cosim import (
    CODE,
    Disagreement,
    Example,
    Form,
    disagreements,
    expected,
    forms,
    forms_of,
    states,
    sweep,
    sweep_immediates,
    sweep_vex,
    testable,
)
from cosim_llvm import disagreements_with_llvm
from cosim_smt import disagreements_with_terms

_LIBRARIES = Path("/lib/x86_64-linux-gnu")
_DEFAULT = ("libz.so.1", "libbz2.so.1.0", "liblzma.so.5", "gzip", "xz", "lua5.4")


@lru_cache(maxsize=16)
def _lifted(code: bytes) -> tuple[Instruction, ...]:
    return lift_all(code, CODE)


def concrete(example: Example, state: MachineState) -> Outcome:
    """The example in the concrete domain."""
    return run(_lifted(example.code), state)


def collect(paths: list[Path], examples: int) -> dict[str, Form]:
    """Forms of several files, merged by key."""
    found: dict[str, Form] = {}
    for path in paths:
        for form in forms(load(path), examples):
            known = found.setdefault(form.key, form)
            if known is not form:
                known.count += form.count
    return found


def _compare(
    executor: Executor, example: Example, batch: StateBatch, domain: str
) -> Iterator[tuple[str, list[Disagreement]]]:
    """Disagreements by domain. The compiled form and the terms say nothing of what only transfers control, and terms
    nothing of ``rep``."""
    result = expected(executor, example, batch)
    if domain in ("concrete", "all"):
        yield "concrete", disagreements(example, batch, result, concrete)
    if domain in ("smt", "all"):
        terms = disagreements_with_terms(example, batch, result)
        if terms is not None:
            yield "smt", terms
    if domain in ("llvm", "all"):
        compiled = disagreements_with_llvm(executor, example, batch, result, Target())
        if compiled is not None:
            yield "llvm", compiled


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--states", type=int, default=100)
    parser.add_argument("--examples", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sweep", action="store_true", help="all encodings of the opcode maps, not files")
    parser.add_argument("--domain", choices=("concrete", "llvm", "smt", "all"), default="all")
    arguments = parser.parse_args()
    began = time.perf_counter()
    paths: list[Path] = []
    if arguments.sweep:
        found = {form.key: form for form in forms_of(chain(sweep(), sweep_vex()), arguments.examples)}
        found |= {f"{form.key}, immediates": form for form in forms_of(sweep_immediates(), 1000)}
    else:
        paths = arguments.files or [path for name in _DEFAULT if (path := _locate(name)) is not None]
        found = collect(paths, arguments.examples)
    total = 0
    compared: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with Executor() as executor:
        for form in filter(testable, found.values()):
            bad: dict[str, list[Disagreement]] = {}
            for example in form.examples:
                batch = states(example, arguments.states, arguments.seed)
                total += len(batch)
                for domain, found_here in _compare(executor, example, batch, arguments.domain):
                    bad.setdefault(domain, []).extend(found_here)
            for domain, disagreeing in bad.items():
                compared[domain] += 1
                wrong[domain] += bool(disagreeing)
                if disagreeing:
                    print(f"{domain}: {form.key}: {len(disagreeing)} states differ; {disagreeing[0]}")
    refused = Counter(form.refused.reason.value for form in found.values() if form.refused)
    lifted = sum(map(testable, found.values()))
    print(
        f"files                {' '.join(path.name for path in paths) or 'none: a sweep of the opcode maps'}"
    )
    print(f"forms                {len(found)}")
    print(f"  run                {lifted}")
    print(f"  refused            {sum(refused.values())}")
    for reason, count in refused.most_common():
        print(f"    {count:4} {reason}")
    print(f"states               {total}")
    for domain in compared:
        print(f"{domain:20} {compared[domain]} forms compared, {wrong[domain]} disagree")
    print(f"seconds              {time.perf_counter() - began:.1f}")
    return 1 if wrong.total() else 0


def _locate(name: str) -> Path | None:
    library = _LIBRARIES / name
    if library.exists():
        return library
    program = shutil.which(name)
    return Path(program) if program else None


if __name__ == "__main__":
    sys.exit(main())
