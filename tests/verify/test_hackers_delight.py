"""The programs that the verifier is measured on compute what Python says, however they are compiled."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from burnish.runtime.isolation import Executor, Status
from hackers_delight import (
    CORRECTED,
    FLAGS,
    INTRINSICS,
    LEVELS,
    MASK,
    SETS,
    Program,
    intrinsic_source,
    source,
)
from native_inputs import Kind, Signature, inputs_for
from native_pair import ARGUMENTS, GPR, native, run

STATES = 800


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    with Executor() as made:
        yield made


def compiled(folder: Path, text: str, flags: tuple[str, ...]) -> Path:
    (folder / "text.c").write_text(text)
    subprocess.run(["gcc", *FLAGS, *flags, "-c", "text.c", "-o", "text.o"], cwd=folder, check=True)
    return folder / "text.o"


def check(executor: Executor, built: Path, program: Program) -> None:
    kinds: tuple[Kind, ...] = ("i32",) * len(program.parameters)
    inputs = inputs_for(Signature(kinds), STATES, seed=int(program.name[1:]))
    function = native(built, program.name)
    (result,) = run(executor, function, [function.code], inputs)
    columns = [inputs.gpr[:, GPR.index(name)] & np.uint64(MASK) for name in ARGUMENTS[: len(kinds)]]
    for row, arguments in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        expected = program.reference(*arguments)
        if expected is None:
            assert result.status[row] == Status.FAULTED, arguments
        else:
            assert result.status[row] == Status.FINISHED, arguments
            assert int(result.gpr[row, 0]) & MASK == expected, [hex(a) for a in arguments]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("which", SETS)
def test_programs(executor: Executor, tmp_path: Path, which: str, level: str) -> None:
    built = compiled(tmp_path, source(SETS[which]), LEVELS[level])
    for program in SETS[which]:
        check(executor, built, program)


@pytest.mark.parametrize("form", INTRINSICS, ids=lambda form: form.name)
def test_forms_with_one_instruction(executor: Executor, tmp_path: Path, form: object) -> None:
    built = compiled(tmp_path, intrinsic_source(form), form.flags)
    check(executor, built, next(p for p in CORRECTED if p.name == form.name))
