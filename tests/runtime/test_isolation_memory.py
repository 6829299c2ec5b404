"""Memory of executions: windows of every size, and what batches of one layout share."""

from __future__ import annotations

import dataclasses
import random
import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from burnish.core.image import Access
from burnish.core.state import Faulted, Finished, MachineState, MemoryRegion
from burnish.runtime.batch import StateBatch, Status, Window
from burnish.runtime.isolation import Executor

Assemble = Callable[[str], bytes]

RAX, RSI, RDI = 0, 6, 7


@pytest.fixture(scope="module")
def shared() -> Iterator[Executor]:
    with Executor() as executor:
        yield executor


def registers(rdi: int, rcx: int = 0) -> tuple[int, ...]:
    return (0, rcx, 0, 0, 0, 0, 0, rdi, *(8 * (0,)))


def test_windows_of_every_size_are_set_read_and_guarded(shared: Executor, assemble: Assemble) -> None:
    """Bytes are added up by the code itself; a store one byte beyond either end is a fault."""
    total = assemble(
        "xor eax, eax\n1: test rcx, rcx\nje 2f\nmovzx edx, byte ptr [rdi + rcx - 1]\nadd rax, rdx\n"
        "not byte ptr [rdi + rcx - 1]\ndec rcx\njmp 1b\n2:"
    )
    poke = assemble("mov byte ptr [rdi], 1")
    source = random.Random(5)
    base = 0x2000_0000
    for size in (*range(1, 70), *source.sample(range(70, 700), 12), 511, 512, 513, 4096, 5000):
        start = base + source.randrange(1, 4096)
        data = source.randbytes(size)
        state = MachineState(registers(rdi=start, rcx=size), memory=(MemoryRegion(start, data),))
        outcome = shared.run(total, state)
        assert isinstance(outcome, Finished)
        done = outcome.state
        assert done.gpr[RAX] == sum(data)
        assert done.memory[0].data == bytes(255 - byte for byte in data)
        for beside in {start - 1, start + size, start & -4096, (start + size - 1) | 4095}:
            if start <= beside < start + size:
                continue
            stray = dataclasses.replace(state, gpr=registers(rdi=beside))
            found = shared.run(poke, stray)
            assert isinstance(found, Faulted) and (found.signal, found.address) == (signal.SIGSEGV, beside)


def test_what_is_laid_out_again_holds_the_new_contents(shared: Executor, assemble: Assemble) -> None:
    """Batches of one layout share what is mapped: neither old constants nor stray stores may be seen in the next."""
    load, poke = assemble("mov eax, [rsi]"), assemble("mov byte ptr [rdi], 1\nnop")
    table, place = 0x2100_0000, 0x2200_0010
    constants = np.arange(8, dtype=np.uint8)
    for turn in range(4):
        constants[:] = turn + np.arange(8)
        windows = (
            Window(table, constants, Access.READ),
            Window(place, np.full((3, 16), turn, np.uint8)),
        )
        gpr = np.zeros((3, 16), np.uint64)
        gpr[:, RSI], gpr[:, RDI] = table, (place, place - 1, place + 16)
        states = StateBatch(gpr, np.zeros((3, 16, 2), np.uint64), np.zeros(3, np.uint64), windows)
        loaded, poked = shared.run_batch(load, states), shared.run_batch(poke, states)
        assert loaded.gpr[:, RAX].tolist() == 3 * [int.from_bytes(constants[:4].tobytes(), "little")]
        assert poked.status.tolist() == [Status.FINISHED, Status.FAULTED, Status.FAULTED]
        assert poked.address.tolist()[1:] == [place - 1, place + 16]
        assert loaded.windows[0].tolist() == 3 * [16 * [turn]]
