"""Batches: the same results as one by one, with memory restored before each execution."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from burnish.core.image import Access
from burnish.core.state import DEFAULT_MXCSR, FLAGS_MASK, Faulted, SystemCall, TimedOut
from burnish.runtime.isolation import (
    DEFAULT_CODE_ADDRESS,
    RETURNING,
    Executor,
    Limits,
    StateBatch,
    Status,
    Window,
)

Assemble = Callable[[str], bytes]

RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)


def random_batch(count: int, seed: int, windows: tuple[Window, ...] = ()) -> StateBatch:
    source = np.random.default_rng(seed)
    return StateBatch(
        source.integers(0, 1 << 64, (count, 16), np.uint64),
        source.integers(0, 1 << 64, (count, 16, 2), np.uint64),
        source.integers(0, 1 << 12, count, np.uint64) & np.uint64(FLAGS_MASK),
        windows,
    )


def zero_batch(count: int, windows: tuple[Window, ...] = ()) -> StateBatch:
    return StateBatch(
        np.zeros((count, 16), np.uint64),
        np.zeros((count, 16, 2), np.uint64),
        np.zeros(count, np.uint64),
        windows,
    )


def random_bytes(shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_hundred_thousand_states_equal_one_by_one(executor: Executor, assemble: Assemble) -> None:
    """Arithmetic, a division that faults for some states, memory, vectors: against NumPy for all states, and against
    single executions for a sample."""
    count = 100_000
    contents = random_bytes((count, 48), 7)
    batch = random_batch(count, 8, (Window(0x7000_0010, contents),))
    batch.gpr[:, RDI] = 0x7000_0010
    batch.gpr[:, RBX] %= 4
    batch.gpr[:, RDX] = 0
    code = assemble(
        "movdqu xmm1, [rdi]\n paddq xmm0, xmm1\n movdqu [rdi + 16], xmm0\n"
        "mov rcx, rax\n adc rcx, [rdi + 32]\n mov [rdi + 40], rcx\n div rbx"
    )
    result = executor.run_batch(code, batch)
    faulted = batch.gpr[:, RBX] == 0
    assert 20_000 < faulted.sum() < 30_000
    assert np.array_equal(result.status, np.where(faulted, Status.FAULTED, Status.FINISHED))
    assert set(result.number[faulted]) == {signal.SIGFPE}
    assert set(result.rip[faulted]) == {DEFAULT_CODE_ADDRESS + len(code) - 3}
    assert not result.gpr[faulted].any()
    assert not result.windows[0][faulted].any()

    good = ~faulted
    words = contents.view(np.uint64)
    carried = batch.gpr[:, RAX] + words[:, 4] + (batch.flags & np.uint64(1))
    assert np.array_equal(result.gpr[good, RCX], carried[good])
    assert np.array_equal(result.gpr[good, RAX], batch.gpr[good, RAX] // batch.gpr[good, RBX])
    assert np.array_equal(result.gpr[good, RDX], batch.gpr[good, RAX] % batch.gpr[good, RBX])
    assert np.array_equal(result.gpr[good, RSP], batch.gpr[good, RSP])
    after = result.windows[0].view(np.uint64)
    total = batch.xmm[:, 0] + words[:, :2]
    assert np.array_equal(after[good, 2:4], total[good])
    assert np.array_equal(result.xmm[good, 0], total[good])
    assert np.array_equal(result.xmm[good, 2:], batch.xmm[good, 2:])
    assert np.array_equal(after[good, :2], words[good, :2])
    assert np.array_equal(after[good, 5], carried[good])
    assert set(result.mxcsr[good]) == {DEFAULT_MXCSR}

    for index in range(0, count, 97):
        one = slice(index, index + 1)
        single = StateBatch(
            batch.gpr[one], batch.xmm[one], batch.flags[one], (Window(0x7000_0010, contents[one]),)
        )
        alone = executor.run_batch(code, single)
        for name in ("gpr", "xmm", "flags", "mxcsr", "status", "number", "address", "rip"):
            assert np.array_equal(getattr(alone, name), getattr(result, name)[one]), (name, index)
        assert np.array_equal(alone.windows[0], result.windows[0][one])


@pytest.mark.parametrize("address", [0x10000, 0x10FF8, 0x7FFF_0000_0123])
def test_memory_is_restored_before_each_execution(
    executor: Executor, assemble: Assemble, address: int
) -> None:
    """The window shared by all states, and another of each state's own, read, written and reported."""
    shared = random_bytes((5000,), 1)
    own = random_bytes((3000, 24), 2)
    batch = zero_batch(3000, (Window(address, shared), Window(0x5000_0000, own)))
    batch.gpr[:, RDI] = address
    batch.gpr[:, RSI] = 0x5000_0000
    code = assemble("inc byte ptr [rdi + 4999]\n mov al, [rdi + 4999]\n add [rsi + 23], al\n mov [rdi], rsi")
    result = executor.run_batch(code, batch)
    assert (result.status == Status.FINISHED).all()
    expected = shared.copy()
    expected[4999] += 1
    expected[:8] = np.array([0x5000_0000], np.uint64).view(np.uint8)
    assert (result.windows[0] == expected).all()
    own_expected = own.copy()
    own_expected[:, 23] += expected[4999]
    assert np.array_equal(result.windows[1], own_expected)


def test_what_faults_leave_behind_is_restored_too(executor: Executor, assemble: Assemble) -> None:
    batch = zero_batch(4, (Window(0x20010, np.zeros(16, np.uint8)),))
    batch.gpr[:, RDI] = [0x2000F, 0x20010, 0x20020, 0x20011]
    code = assemble("mov byte ptr [rdi], 1\n mov rax, [0x20010]")
    result = executor.run_batch(code, batch)
    assert list(result.status) == [Status.FAULTED, Status.FINISHED, Status.FAULTED, Status.FINISHED]
    assert [result.stop(i) for i in (0, 2)] == [
        Faulted(signal.SIGSEGV, 0x2000F, 0),
        Faulted(signal.SIGSEGV, 0x20020, 0),
    ]
    assert list(result.gpr[:, RAX]) == [0, 1, 0, 0x100]


def test_every_way_to_end_in_one_batch(assemble: Assemble) -> None:
    code = assemble(
        "dec rax\n jz 1f\n dec rax\n jz 2f\n dec rax\n jz 3f\n mov rbx, 77\n jmp 4f\n"
        "1: mov rax, [rcx]\n 2: jmp 2b\n 3: mov eax, 39\n syscall\n 4:"
    )
    batch = zero_batch(40)
    batch.gpr[:, RAX] = np.arange(40) % 4
    batch.gpr[:, RCX] = np.arange(40) + 0x1234_0000
    with Executor(Limits(execution_seconds=0.01)) as executor:
        result = executor.run_batch(code, batch)
        assert (
            list(result.status)
            == [
                Status.FINISHED,
                Status.FAULTED,
                Status.TIMED_OUT,
                Status.SYSTEM_CALL,
            ]
            * 10
        )
    assert list(result.gpr[::4, RBX]) == [77] * 10
    assert list(result.address[1::4]) == list(range(0x1234_0001, 0x1234_0029, 4))
    assert result.stop(4) is None
    assert result.stop(6) == TimedOut()
    assert result.stop(7) == SystemCall(39)


def test_several_codes_on_the_same_states(executor: Executor, assemble: Assemble) -> None:
    """The average of two numbers without overflow, two ways that agree, and one that does not."""
    batch = random_batch(20_000, 3)
    codes = [
        assemble("mov rcx, rax\n and rcx, rbx\n xor rax, rbx\n shr rax\n add rax, rcx"),
        assemble("add rax, rbx\n rcr rax"),
        assemble("add rax, rbx\n shr rax"),
    ]
    one, other, wrong = executor.run_batches(codes, batch)
    assert np.array_equal(one.gpr[:, RAX], other.gpr[:, RAX])
    overflowed = batch.gpr[:, RAX] + batch.gpr[:, RBX] < batch.gpr[:, RAX]
    assert np.array_equal(one.gpr[:, RAX] != wrong.gpr[:, RAX], overflowed)


def test_constant_memory_can_be_read_only(executor: Executor, assemble: Assemble) -> None:
    table = random_bytes((256,), 4)
    batch = zero_batch(1000, (Window(0x30000, table, Access.READ),))
    batch.gpr[:, RAX] = np.arange(1000) % 256
    batch.gpr[:, RBX] = 0x30000
    result = executor.run_batch(assemble("movzx eax, byte ptr [rbx + rax]"), batch)
    assert result.windows == ()
    assert np.array_equal(result.gpr[:, RAX], table[np.arange(1000) % 256])
    result = executor.run_batch(assemble("mov [rbx + rax], al"), batch)
    assert (result.status == Status.FAULTED).all()
    assert np.array_equal(result.address, 0x30000 + np.arange(1000) % 256)


def test_returning_code(executor: Executor, assemble: Assemble) -> None:
    batch = zero_batch(5000, (Window(0x10000, np.zeros(4096, np.uint8)),))
    batch.gpr[:, RSP] = 0x10000 + 8 * (np.arange(5000) % 500)
    result = executor.run_batch(assemble("lea rax, [rsp + 8]\n ret 8"), batch, RETURNING)
    assert (result.status == Status.FINISHED).all()
    assert np.array_equal(result.gpr[:, RAX], batch.gpr[:, RSP] + 8)
    assert np.array_equal(result.gpr[:, RSP], batch.gpr[:, RSP] + 16)
    stored = result.windows[0].view(np.uint64)
    assert (stored[np.arange(5000), np.arange(5000) % 500] == RETURNING.return_address).all()
    assert (np.count_nonzero(stored, axis=1) == 1).all()


def test_states_larger_than_the_shared_memory(executor: Executor, assemble: Assemble) -> None:
    contents = random_bytes((3, 6 << 20), 5)
    batch = zero_batch(3, (Window(0x1_0000_0000, contents),))
    batch.gpr[:, RDI] = 0x1_0000_0000
    batch.gpr[:, RCX] = 6 << 20
    small = zero_batch(10)
    copy = assemble("mov al, [rdi]\n rep stosb")
    assert (executor.run_batch(b"", small).status == Status.FINISHED).all()
    result = executor.run_batch(copy, batch)
    assert np.array_equal(result.windows[0], np.repeat(contents[:, :1], 6 << 20, axis=1))
    assert (executor.run_batch(b"", small).status == Status.FINISHED).all()


def test_the_limit_on_a_batch(assemble: Assemble) -> None:
    batch = zero_batch(1000)
    batch.gpr[3:, RAX] = 1
    with Executor(Limits(execution_seconds=10, batch_seconds=0.3)) as executor:
        start = time.monotonic()
        result = executor.run_batch(assemble("1: test rax, rax\n jnz 1b\n inc rax"), batch)
        assert time.monotonic() - start < 3
        assert list(result.status) == [Status.FINISHED] * 3 + [Status.TIMED_OUT] * 997
        assert list(result.gpr[:4, RAX]) == [1, 1, 1, 0]
        assert (executor.run_batch(b"", batch).status == Status.FINISHED).all()


def test_no_states_and_no_codes(executor: Executor) -> None:
    assert len(executor.run_batch(b"\x90", zero_batch(0))) == 0
    assert executor.run_batches([], zero_batch(3)) == ()


def test_arrays_of_other_shapes_and_layouts(executor: Executor, assemble: Assemble) -> None:
    batch = random_batch(100, 6)
    code = assemble("xchg rax, r15")
    expected = executor.run_batch(code, batch)
    strided = StateBatch(np.asfortranarray(batch.gpr), batch.xmm, np.repeat(batch.flags, 2)[::2])
    assert np.array_equal(executor.run_batch(code, strided).gpr, expected.gpr)
    with pytest.raises(ValueError, match="shapes"):
        executor.run_batch(code, StateBatch(batch.gpr[:, :15], batch.xmm, batch.flags))
    with pytest.raises(ValueError, match="must have shape"):
        executor.run_batch(code, zero_batch(3, (Window(0x10000, np.zeros((2, 8), np.uint8)),)))
    with pytest.raises(ValueError, match="cannot be written"):
        executor.run_batch(code, zero_batch(3, (Window(0x10000, np.zeros((3, 8), np.uint8), Access.READ),)))
    with pytest.raises(TypeError):
        executor.run_batch(code, StateBatch(batch.gpr.astype(np.int32), batch.xmm, batch.flags))  # type: ignore[arg-type]
