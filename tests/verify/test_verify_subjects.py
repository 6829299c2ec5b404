"""The pairs that are mutated and the examples of loops: both sides do the same on the processor, and mutants run."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.runtime.isolation import Executor, Limits, Status
from mutants import KINDS, mutants
from mutation_subjects import Code, Subject, loop, loop_files, subjects
from native_inputs import inputs_for
from native_pair import differences, native, run

NAMED = (
    "sum",
    "dot",
    "strlen",
    "memcpy",
    "memchr",
    "crc32",
    "adler32",
    "bubble",
    "unrolled",
    "vectorised",
    "closed_form",
    "tripled",
)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    with Executor(Limits(execution_seconds=0.05, batch_seconds=1.0)) as made:
        yield made


def assert_same(executor: Executor, subject: Subject, count: int) -> None:
    inputs = inputs_for(subject.signature, count, seed=7)
    sides = [native(path, subject.function) for path in (subject.original, subject.rewrite)]
    results = [run(executor, side, [side.code], inputs)[0] for side in sides]
    assert (results[0].status == Status.FINISHED).sum() > count // 4, subject.name
    pairs = list(zip(sides, results, strict=True))
    assert differences(pairs[0], pairs[1], inputs, subject.signature.results) == {}, subject.name


def test_all_examples_of_loops_are_there() -> None:
    assert {path.name.removesuffix(".orig.c") for path in loop_files()} >= set(NAMED)


@pytest.mark.parametrize("path", loop_files(), ids=lambda path: path.name.removesuffix(".orig.c"))
def test_loops_are_equal(executor: Executor, tmp_path: Path, path: Path) -> None:
    assert_same(executor, loop(path, tmp_path), 2000)


def test_other_subjects_are_equal(executor: Executor, tmp_path: Path) -> None:
    found = subjects(tmp_path)
    names = {subject.name for subject in found}
    assert {f"p{number:02}" for number in range(1, 26)} | set(NAMED) < names, "and string functions"
    for subject in found:
        assert_same(executor, subject, 500)


def test_mutants_run_and_most_differ(executor: Executor, tmp_path: Path) -> None:
    differ = Counter[bool]()
    kinds = Counter[str]()
    for subject in subjects(tmp_path, ["p16", "p19", "crc32", "bubble", "s_memccpy", "s_encode_utf8"]):
        code = Code.of(subject.rewrite, subject.function)
        found = mutants(code.data, f"1 {subject.name}", 40, code.relocated)
        assert found == mutants(code.data, f"1 {subject.name}", 40, code.relocated)
        kinds.update(mutant.kind for mutant in found)
        side = native(subject.rewrite, subject.function)
        start = side.entry - side.address
        inputs = inputs_for(subject.signature, 300, seed=1)
        (expected,) = run(executor, side, [side.code], inputs)
        changed = run(executor, side, [mutant.applied(side.code, start) for mutant in found], inputs)
        for result in changed:
            differ[
                bool(differences((side, expected), (side, result), inputs, subject.signature.results))
            ] += 1
    assert set(kinds) == set(KINDS)
    assert differ[True] > 2 * differ[False], differ
    assert differ[False] > 0
