"""Instruction forms against the processor: a seeded sample of what ``benchmarks/cosimulation.py`` does in full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pytest

from burnish.core.code import Instruction
from burnish.core.state import Finished, MachineState, Outcome
from burnish.domains.concrete import run
from burnish.images import load
from burnish.machine.flags import UndefinedResult, undefined_results
from burnish.machine.lift import lift_all
from burnish.machine.registers import gpr
from burnish.recompile.codegen import Target
from burnish.runtime.isolation import Executor, Status
from cosim import CODE, Example, disagreements, expected, forms, forms_of, states, sweep, sweep_vex
from cosim import testable as can_run
from cosim_llvm import disagreements_with_llvm
from cosim_smt import disagreements_with_terms

LIBRARIES = Path("/lib/x86_64-linux-gnu")


@lru_cache(maxsize=16)
def _lifted(code: bytes) -> tuple[Instruction, ...]:
    return lift_all(code, CODE)


def concrete(example: Example, state: MachineState) -> Outcome:
    return run(_lifted(example.code), state)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor() as made:
        yield made


@pytest.mark.parametrize("name", ["libz.so.1", "libbz2.so.1.0"])
def test_every_form_of_the_libraries_agrees(name: str, executor: Executor) -> None:
    if not (LIBRARIES / name).exists():
        pytest.skip(f"{name} is not installed")
    found = forms(load(LIBRARIES / name), examples=1)
    assert len(found) > 200
    assert [form.key for form in found if form.refused is not None] == []
    wrong: list[str] = []
    finished = 0
    for form in filter(can_run, found):
        (example,) = form.examples
        batch = states(example, 12, seed=7)
        result = expected(executor, example, batch)
        finished += int((result.status == Status.FINISHED).sum())
        wrong += map(str, disagreements(example, batch, result, concrete)[:1])
    assert wrong == []
    assert finished > 0.95 * 12 * sum(map(can_run, found))


def test_every_second_form_of_libz_agrees_when_compiled(executor: Executor) -> None:
    """The ``llvm`` domain, through the code generator, with the same judge."""
    if not (LIBRARIES / "libz.so.1").exists():
        pytest.skip("libz.so.1 is not installed")
    found = list(filter(can_run, forms(load(LIBRARIES / "libz.so.1"), examples=1)))
    wrong: list[str] = []
    compared = 0
    for form in found[::2]:
        (example,) = form.examples
        batch = states(example, 10, seed=9)
        result = expected(executor, example, batch)
        differing = disagreements_with_llvm(executor, example, batch, result, Target())
        compared += differing is not None
        wrong += map(str, (differing or [])[:1])
    assert wrong == []
    assert compared > 250


@pytest.mark.parametrize("start", range(3))
def test_a_sample_of_all_opcodes_agrees(start: int, executor: Executor) -> None:
    """Every 29th encoding of the sweep of the opcode maps."""
    found = forms_of(islice(sweep(), 9 * start, None, 29), examples=1)
    wrong: list[str] = []
    checked = 0
    for form in filter(can_run, found):
        (example,) = form.examples
        batch = states(example, 6, seed=start)
        wrong += map(str, disagreements(example, batch, expected(executor, example, batch), concrete)[:1])
        checked += 1
    assert wrong == []
    assert checked > 400


def test_a_sample_of_bit_manipulation_agrees_in_every_domain(executor: Executor) -> None:
    """The general instructions that are coded with VEX, with low and high registers, in memory and at a fixed place."""
    found = list(filter(can_run, forms_of(islice(sweep_vex(), 1, None, 37), examples=1)))
    if not found:
        pytest.skip("needs a processor with BMI1 and BMI2")
    wrong: list[str] = []
    for number, form in enumerate(found):
        (example,) = form.examples
        batch = states(example, 10, seed=number)
        result = expected(executor, example, batch)
        wrong += map(str, disagreements(example, batch, result, concrete)[:1])
        terms = disagreements_with_terms(example, batch, result)
        assert terms is not None
        wrong += map(str, terms[:1])
        if number % 4 == 0:
            wrong += map(str, (disagreements_with_llvm(executor, example, batch, result, Target()) or [])[:1])
    assert wrong == []
    names = {form.key.split()[0] for form in found}
    assert len(names) == 11
    assert names == {form.key.split()[0] for form in found[::4]}, "each must have been compiled"


def _spoiled(change: str) -> object:
    def meaning(example: Example, state: MachineState) -> Outcome:
        outcome = concrete(example, state)
        assert isinstance(outcome, Finished)
        after = outcome.state
        match change:
            case "register":
                after = replace(after, gpr=(after.gpr[0] ^ 1, *after.gpr[1:]))
            case "flag":
                after = replace(after, flags=after.flags ^ 0x40)
            case "vector":
                after = replace(after, xmm=(*after.xmm[:15], after.xmm[15] ^ 1 << 127))
            case _:
                region = after.memory[1]
                changed = replace(region, data=region.data[:-1] + bytes([region.data[-1] ^ 0x80]))
                after = replace(after, memory=(after.memory[0], changed))
        return Finished(after)

    return meaning


@pytest.mark.parametrize("change", ["register", "flag", "vector", "memory"])
def test_one_wrong_bit_is_seen(change: str, executor: Executor) -> None:
    (form,) = forms_of([bytes.fromhex("01 d8")])
    (example,) = form.examples
    batch = states(example, 5, seed=1)
    result = expected(executor, example, batch)
    assert disagreements(example, batch, result, concrete) == []
    assert len(disagreements(example, batch, result, _spoiled(change))) == 5  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_states() -> None:
    (form,) = forms_of([bytes.fromhex("48 03 44 8b 10")])
    (example,) = form.examples
    one, two, other = states(example, 4, 1), states(example, 4, 1), states(example, 4, 2)
    assert (one.gpr == two.gpr).all()
    assert (one.windows[0].contents == two.windows[0].contents).all()
    assert (one.gpr != other.gpr).any()


def test_every_form_of_libz_agrees_as_terms(executor: Executor) -> None:
    """The ``smt`` domain: registers, flags, memory and NaNs bit for bit, and divisions that fault."""
    if not (LIBRARIES / "libz.so.1").exists():
        pytest.skip("libz.so.1 is not installed")
    found = list(filter(can_run, forms(load(LIBRARIES / "libz.so.1"), examples=1)))
    wrong: list[str] = []
    compared = 0
    for form in found:
        (example,) = form.examples
        batch = states(example, 8, seed=11)
        differing = disagreements_with_terms(example, batch, expected(executor, example, batch))
        compared += differing is not None
        wrong += map(str, (differing or [])[:1])
    assert wrong == []
    assert compared > 0.95 * len(found)


def test_a_sample_of_all_opcodes_agrees_as_terms(executor: Executor) -> None:
    found = list(filter(can_run, forms_of(islice(sweep(), 5, None, 41), examples=1)))
    wrong: list[str] = []
    compared = 0
    for form in found:
        (example,) = form.examples
        batch = states(example, 6, seed=12)
        differing = disagreements_with_terms(example, batch, expected(executor, example, batch))
        compared += differing is not None
        wrong += map(str, (differing or [])[:1])
    assert wrong == []
    assert compared > 300


def test_a_division_of_terms_faults_where_the_processor_does(executor: Executor) -> None:
    (form,) = forms_of([bytes.fromhex("48 f7 f9")])
    (example,) = form.examples
    batch = states(example, 60, seed=13)
    result = expected(executor, example, batch)
    faulted = int((result.status == Status.FAULTED).sum())
    assert 5 < faulted < 55
    assert disagreements_with_terms(example, batch, result) == []
    # Without faults at all, or everywhere, the same states disagree.
    result.status[:] = Status.FINISHED
    assert len(disagreements_with_terms(example, batch, result) or []) >= faulted


def test_what_a_scan_of_nothing_leaves_is_undefined() -> None:
    assert undefined_results(bytes.fromhex("0f bc c1")) == (UndefinedResult(gpr("rax"), "zf"),)
    assert undefined_results(bytes.fromhex("66 0f bd d1")) == (UndefinedResult(gpr("rdx", 2), "zf"),)
    assert undefined_results(bytes.fromhex("4d 0f bd c1")) == (UndefinedResult(gpr("r8"), "zf"),)
    for raw in ("f3 0f bc c1", "f3 0f bd c1", "01 d8", "0f af c1"):
        assert undefined_results(bytes.fromhex(raw)) == ()
