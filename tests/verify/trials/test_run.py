"""Trials of a pair as the verifier makes them: kept inputs, given ones, drawn ones, and a solver's suspicion."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.state import MemoryRegion
from burnish.core.verdict import Counterexample
from burnish.runtime.batch import DEFAULT_CODE_ADDRESS
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model
from burnish.verify.trials import (
    Bench,
    GivenInput,
    TestStore,
    replay,
    replay_model,
    run_model,
    run_pair,
    run_trials,
)

from ..texts import pair_of_texts

EAX = Specification((LiveOut("rax", 4),), source="prototype")
STACK = 0x7FFC_0000_1008


@pytest.fixture
def magic(assembled: Callable[..., Pair]) -> Pair:
    """A pair that differs on hardly any input that is drawn."""
    wrong = "mov eax, edi\nmovabs rcx, 0x123456789abcdef1\nimul rcx, rdi\n"
    wrong += "movabs rdx, 0x5be6e8aa7d3b9c57\ncmp rcx, rdx\njne 1f\nxor eax, eax\n1: ret"
    return assembled("mov eax, edi\nret", wrong, EAX)


SECRET = pow(0x123456789ABCDEF1, -1, 1 << 64) * 0x5BE6E8AA7D3B9C57 % (1 << 64)
REGISTERS = {"rdi": SECRET, "rsp": STACK}


def test_drawn_inputs_do_not_find_everything(magic: Pair, bench: Bench) -> None:
    trials = run_trials(magic, bench, count=200)
    assert trials.counterexample is None
    assert trials.tested >= 200


def test_a_given_input_counts(magic: Pair, bench: Bench) -> None:
    trials = run_trials(magic, bench, inputs=[GivenInput(REGISTERS)])
    assert trials.counterexample is not None
    assert trials.counterexample.registers["rdi"] == SECRET
    assert replay(magic, trials.counterexample, bench)


def test_what_told_a_rewrite_apart_is_kept(magic: Pair, bench: Bench, tmp_path: Path) -> None:
    store = TestStore(tmp_path)
    assert run_trials(magic, bench, store=store).counterexample is None
    assert run_trials(magic, bench, store=store, inputs=[GivenInput(REGISTERS)]).counterexample is not None
    found = run_trials(magic, bench, store=store, count=10).counterexample
    assert found is not None
    assert found.source == "an input of an earlier test"


def test_a_broken_file_in_the_store_is_passed_over(magic: Pair, bench: Bench, tmp_path: Path) -> None:
    store = TestStore(tmp_path)
    run_trials(magic, bench, store=store, inputs=[GivenInput(REGISTERS)])
    for text in ("", "{", "[]", '{"function": 1}'):
        path = next(tmp_path.glob("*/*/*.json"))
        path.with_name(f"broken{len(text)}.json").write_text(text)
    assert run_trials(magic, bench, store=store, count=10).counterexample is not None


def _write(folder: str, pair_text: str, first: int) -> None:
    from burnish.verify.subject import choose_functions, read_input, read_pair
    from burnish.verify.subject.pairs import Reading

    one = read_input(pair_text)
    reading = read_pair(one, one, choose_functions(one, one, "f")[0])
    assert isinstance(reading, Reading)
    store = TestStore(Path(folder))
    for value in range(first, first + 8):
        store.add(reading.pair.original, Counterexample("f", 0, {"rdi": value}, ()))


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    text = ".globl f\nf:\nmov %edi, %eax\nret\n"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), text, 8 * k)) for k in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert len(list(tmp_path.glob("*/*/*.json"))) == 24
    assert not list(tmp_path.glob("*/*/.*"))


def test_the_store_is_bounded(magic: Pair, tmp_path: Path) -> None:
    store = TestStore(tmp_path)
    for value in range(50):
        store.add(magic.original, Counterexample("f", 0, {"rdi": value}, ()))
    kept = store.read(magic.original)
    assert len(kept) == 32
    assert kept[0].registers == {"rdi": 49}


def test_a_scaled_index_with_a_small_number_is_no_address(
    assembled: Callable[..., Pair], bench: Bench
) -> None:
    pair = assembled("lea eax, [rdi*4 + 32]\nret", "lea eax, [rdi + 8]\nshl eax, 2\nret", EAX)
    assert run_trials(pair, bench, count=100).tested >= 100


def test_conditions_hold_of_every_input(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled("mov eax, 1\nret", "xor eax, eax\ncmp edi, 10\nseta al\nret", EAX)
    assert run_trials(pair, bench).counterexample is not None
    pair = replace(pair, specification=replace(EAX, assumptions=("edi > 10",)))
    trials = run_trials(pair, bench)
    assert trials.counterexample is None
    assert trials.tested > 50


def test_a_model_is_replayed(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled("mov eax, [rdi]\nret", "mov eax, [rdi]\nand eax, 0x7fffffff\nret", EAX)
    values = {"rdi": 0x50000, "rsp": STACK, "&local 0 of the frame": 0x7000_0000_0000}
    model = Model(values, {"memory": {0x50000 + k: 0x80 for k in range(4)}})
    found = replay_model(pair, model, bench)
    assert isinstance(found, Counterexample)
    assert not found.places
    assert replay(pair, found, bench)
    model = Model({"rdi": 0x50000, "rsp": STACK}, {"memory": {0x50000 + k: 1 for k in range(4)}})
    assert "both do the same" in str(replay_model(pair, model, bench))


@pytest.mark.parametrize("address", [0, 1 << 47, (1 << 64) - 8, STACK - 100])
def test_a_model_of_no_process_is_a_phrase(
    assembled: Callable[..., Pair], bench: Bench, address: int
) -> None:
    pair = assembled("mov eax, [rdi]\nret", "mov eax, [rdi]\nand eax, 0x7fffffff\nret", EAX)
    model = Model({"rdi": address, "rsp": STACK}, {"memory": {address + k: 1 for k in range(4)}})
    assert isinstance(replay_model(pair, model, bench), str)


def test_variables_of_a_model_lie_where_it_has_them(compiled: Callable[..., Pair], bench: Bench) -> None:
    pair = compiled(
        "int g = 5; int f(void) { return g; }", EAX, against="int g = 5; int f(void) { return g & 255; }"
    )
    for at in (0x4100_0000, 0x7000_0000_0000, (1 << 63) + 8):
        values = {"rsp": STACK, "&g": at}
        found = replay_model(pair, Model(values, {"memory": {at: 1, at + 1: 2}}), bench)
        assert isinstance(found, Counterexample) == (at < 1 << 47)


def test_an_input_with_memory_of_its_own(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled("mov eax, [rdi + 8]\nret", "mov eax, [rdi + 4]\nret", EAX)
    memory = (MemoryRegion(0x9000_0000, bytes(range(16))), MemoryRegion(STACK - 64, bytes(128)))
    given = GivenInput({"rdi": 0x9000_0000, "rsp": STACK}, memory)
    assert "0xb0a0908" in run_pair(pair, given, bench).difference
    assert run_pair(pair, GivenInput({"rsp": STACK}), bench).void


@pytest.mark.parametrize(
    ("original", "rewrite", "void"),
    [
        # What nobody wrote below the stack pointer: returned, looked at with the same outcome and another, dropped.
        ("mov eax, [rsp - 24]\nret", "xor eax, eax\nret", True),
        (
            "cmp dword ptr [rsp - 24], 3\njb 2f\nmov eax, edi\nret\n2: mov eax, 5\nret",
            "mov eax, 5\nret",
            True,
        ),
        (
            "cmp byte ptr [rsp - 24], 99\njb 2f\nmov eax, edi\nret\n2: mov eax, 5\nret",
            "mov eax, 5\nret",
            True,
        ),
        ("mov eax, [rsp - 24]\nand eax, 0\nret", "mov eax, 1\nret", False),
        # What a call leaves in a register.
        ("call g\nmov eax, r8d\nret", "call g\nxor eax, eax\nret", True),
        ("call g\nret", "call g\ninc eax\nret", False),
    ],
)
def test_what_depends_on_garbage_refutes_nothing(
    assembled: Callable[..., Pair], bench: Bench, original: str, rewrite: str, void: bool
) -> None:
    pair = assembled(original, rewrite, EAX)
    outcome = run_pair(pair, GivenInput({"rdi": 7, "rsp": STACK}), bench)
    assert bool(outcome.void) == void and bool(outcome.difference) != void


@pytest.mark.parametrize(
    ("original", "rewrite", "told"),
    [
        ("mov eax, [rdi]\nret", "nop\nmov eax, [rdi]\nret", False),
        # A program would fault there, and a rewrite may do anything then.
        ("mov eax, [rdi]\nand eax, 0\nret", "mov eax, 1\nret", False),
        ("mov eax, esi\nret", "nop\nlea eax, [rsi + 1]\nret", True),
        # What is left of a return address.
        ("call g\nmov eax, [rsp - 8]\nret", "nop\ncall g\nmov eax, [rsp - 8]\nret", False),
    ],
)
def test_what_depends_on_where_code_lies_refutes_nothing(
    assembled: Callable[..., Pair], bench: Bench, original: str, rewrite: str, told: bool
) -> None:
    """Where a pointer happens to lead to the code, which the two do not have in common."""
    pair = assembled(original, rewrite, EAX)
    given = GivenInput({"rdi": DEFAULT_CODE_ADDRESS, "rsi": 7, "rsp": STACK})
    assert bool(run_pair(pair, given, bench).difference) == told


def test_drawn_inputs_that_lead_to_code_refute_nothing(assembled: Callable[..., Pair], bench: Bench) -> None:
    text = f"and edi, 7\nadd edi, {DEFAULT_CODE_ADDRESS:#x}\nmov eax, [rdi]\nret"
    trials = run_trials(assembled(text, f"nop\n{text}", EAX), bench, count=40)
    assert trials.counterexample is None and trials.tested == 0 and trials.void


def test_what_a_callee_should_have_written_refutes_nothing(
    assembled: Callable[..., Pair], bench: Bench
) -> None:
    """In a test it writes nothing: the original finds what was there, a large number in almost all."""
    text = "sub rsp, 40\n{}lea rdi, [rsp + 16]\ncall g\nxor eax, eax\n{}setb al\nadd rsp, 40\nret"
    reads, nothing = "cmp qword ptr [rsp + 16], 16\n", "cmp rsp, 16\n"
    cleared = "mov qword ptr [rsp + 16], 0\n"
    loose = run_trials(assembled(text.format("", reads), text.format(cleared, reads), EAX), bench)
    assert loose.counterexample is None and loose.tested == 0 and loose.void > 16
    wrong = run_trials(assembled(text.format("", nothing), text.format(cleared, reads), EAX), bench)
    assert wrong.counterexample is not None


def test_an_input_of_a_solver_counts_once(assembled: Callable[..., Pair], bench: Bench) -> None:
    pair = assembled("lea eax, [rdi + 1]\nret", "mov eax, edi\ninc eax\nret", EAX)
    trials = run_model(pair, Model({"rdi": 5, "rsp": STACK}), bench)
    assert (trials.tested, trials.void, trials.counterexample) == (1, 0, None)


TABLE = """
.section .rodata
.p2align 4
.type table, @object
table: .long 11, 7, 5, 9
.size table, 16
"""


def test_reading_behind_a_table_tells_nothing(bench: Bench) -> None:
    read = f"mov eax, edi\nlea rcx, [rip + table]\nmov eax, dword ptr [rcx + 4*rax]\nret\n{TABLE}"
    chosen = (
        "mov ecx, 9\nmov eax, 5\ncmp edi, 2\ncmove ecx, eax\nmov eax, 7\ncmp edi, 1\ncmove ecx, eax\n"
        "mov eax, 11\ntest edi, edi\ncmove ecx, eax\nmov eax, ecx\nret"
    )
    trials = run_trials(pair_of_texts(read, chosen, "eax"), bench, count=300)
    assert trials.counterexample is None and trials.tested > 3
    assert (
        run_trials(pair_of_texts(read, chosen.replace("11", "12"), "eax"), bench).counterexample is not None
    )


def test_an_input_does_not_change_constants(bench: Bench) -> None:
    """A model may want memory where a constant is: what comes of that tells nothing."""
    text = f"mov dword ptr [rdi], 0\nmov eax, dword ptr [rip + table + 12]\nret\n{TABLE}"
    pair = pair_of_texts(text, "mov dword ptr [rdi], 0\nmov eax, 9\nret", "eax")
    prepared = run_trials(pair, bench, count=20).prepared
    assert prepared is not None
    [place] = [at for name, at in prepared.setting.arena.addresses.items() if name.startswith("table ")]
    for start in (place + 12, place, place - 4):
        model = Model({"rdi": start, "rsp": STACK}, {"memory": {start + k: 0 for k in range(4)}})
        assert not isinstance(replay_model(pair, model, bench), Counterexample)
