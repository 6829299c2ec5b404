"""What tested code cannot do to this machine, to this process, or to the result; and what befalls the child."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from burnish import _native
from burnish.core.errors import HostError
from burnish.core.state import Faulted, Finished, MachineState, MemoryRegion, SystemCall, TimedOut
from burnish.runtime.isolation import Executor, Limits, Placement, StateBatch, Status

Assemble = Callable[[str], bytes]

CHILD = Path(_native.__file__).with_name("burnish_executor")
NOTHING = Finished(MachineState())


def registers(**values: int) -> tuple[int, ...]:
    names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
    return tuple(values.get(name, 0) for name in names)


def gone(pid: int, seconds: float = 5) -> bool:
    """True once there is no such process, not even a zombie."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


def child_ranges(executor: Executor) -> list[tuple[int, int, str, str]]:
    """``(start, end, protection, name)`` of what the child has mapped."""
    ranges: list[tuple[int, int, str, str]] = []
    for line in Path(f"/proc/{executor.pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        start, end = (int(value, 16) for value in fields[0].split("-"))
        ranges.append((start, end, fields[1], fields[5] if len(fields) > 5 else ""))
    return ranges


def own_data(executor: Executor) -> list[tuple[int, int]]:
    """Writable memory that belongs to the child's executable: its last file mapping and what follows at once."""
    ranges = child_ranges(executor)
    end = max(range_end for _, range_end, _, name in ranges if name.endswith("burnish_executor"))
    found: list[tuple[int, int]] = []
    for start, range_end, protection, name in ranges:
        if start == end and not name:
            end = range_end
        if "w" in protection and range_end <= end and (name.endswith("burnish_executor") or range_end == end):
            found.append((start, range_end))
    return found


def gate(executor: Executor) -> int:
    """The child's own system call function: it moves its arguments along and ends in ``syscall; ret``."""
    start = next(start for start, _, protection, name in child_ranges(executor) if "x" in protection and name)
    text = CHILD.read_bytes()
    offset = text.index(bytes.fromhex("4889f84889f7"))
    assert 0 < text.index(b"\x0f\x05\xc3", offset) - offset < 40
    return start + offset - 4096


def test_a_system_call_is_reported_and_not_carried_out(executor: Executor, assemble: Assemble) -> None:
    """A pipe that the child would inherit stays empty; the same code run in this process would fill it."""
    reading, writing = os.pipe()
    try:
        os.set_inheritable(writing, True)
        region = MemoryRegion(0x10000, b"escaped!")
        state = MachineState(registers(rax=1, rdi=writing, rsi=0x10000, rdx=8), memory=(region,))
        assert executor.run(assemble("syscall"), state) == SystemCall(1)
        assert select.select([reading], [], [], 0.2)[0] == []
        assert [entry.name for entry in Path(f"/proc/{executor.pid}/fd").iterdir()] == ["0"]
    finally:
        os.close(reading)
        os.close(writing)


def test_no_system_call_gets_through(executor: Executor, assemble: Assemble) -> None:
    """Also those that the child itself may make, from where the child does not make them."""
    code = assemble("syscall")
    assert executor.run(b"", MachineState()) == NOTHING
    pid = executor.pid
    for number in [*range(470), 0xFFFF_FFFF, 0x4000_0000, 0x4000_0001]:
        state = MachineState(registers(rax=number, rsp=0x10000), memory=(MemoryRegion(0x10000, bytes(4096)),))
        assert executor.run(code, state) == SystemCall(number)
    assert executor.run(assemble("mov eax, 20\n int 0x80"), MachineState()) == SystemCall(20)
    assert executor.pid == pid
    status = Path(f"/proc/{pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status


def test_the_page_of_old_system_calls_is_closed(executor: Executor, assemble: Assemble) -> None:
    stack = MemoryRegion(0x10000, bytes(4096))
    state = MachineState(registers(rdi=0x10000, rsp=0x10800), memory=(stack,))
    outcome = executor.run(assemble("mov rax, 0xffffffffff600000\n call rax"), state)
    assert outcome in (SystemCall(96), Faulted(signal.SIGSEGV, 0xFFFF_FFFF_FF60_0000, 0xFFFF_FFFF_FF60_0000))


def test_the_child_holds_only_itself(executor: Executor) -> None:
    assert executor.run(b"\x90", MachineState(memory=(MemoryRegion(0x10000, b"x"),))) != TimedOut()
    lines = Path(f"/proc/{executor.pid}/maps").read_text().splitlines()
    names = {line.split(maxsplit=5)[5] if len(line.split()) > 5 else "" for line in lines}
    allowed = {"", "/memfd:burnish-input (deleted)", "/memfd:burnish-output (deleted)", "[vsyscall]"}
    assert {name for name in names if not name.endswith("/burnish_executor")} - {
        "[vdso]",
        "[vvar]",
    } <= allowed
    assert not any("w" in line.split()[1] and "x" in line.split()[1] for line in lines)
    assert next(line for line in lines if "burnish-input" in line).split()[1] == "r--s"


def test_the_child_needs_no_relocation() -> None:
    """Nothing would apply one."""
    with CHILD.open("rb") as file:
        sections = list(ELFFile(file).iter_sections())
    assert not any(isinstance(section, RelocationSection) for section in sections)
    assert not any(section.name == ".data" for section in sections)


def test_addresses_differ_from_child_to_child() -> None:
    places: set[tuple[str, ...]] = set()
    for _ in range(4):
        with Executor() as executor:
            executor.run(b"", MachineState())
            lines = Path(f"/proc/{executor.pid}/maps").read_text().splitlines()
            places.add(tuple(line.split("-")[0] for line in lines if "memfd" in line))
    assert len(places) == 4


def test_code_that_ends_the_child(executor: Executor, assemble: Assemble) -> None:
    """It is told where the child's own system call instruction is, which it could only have guessed."""
    executor.run(b"", MachineState())
    stack = MemoryRegion(0x10000, bytes(4096))
    address, first = gate(executor), executor.pid
    state = MachineState(registers(rax=address, rdi=231, rsi=7, rsp=0x10800), memory=(stack,))
    outcome = executor.run(assemble("jmp rax"), state)
    assert outcome == Faulted(signal.SIGSEGV, address, address), "the second child has nothing there"
    assert executor.pid != first
    assert executor.run(b"", MachineState()) == NOTHING


def test_code_that_overwrites_the_childs_own_memory(executor: Executor, assemble: Assemble) -> None:
    """Every eighth byte of it in turn: the outcome is right, or it is a fault; never another state."""
    source = random.Random(12)
    fill, store = assemble("rep stosb"), assemble("mov [rdi], rax")
    executor.run(b"", MachineState())
    faults = 0
    for start, end in own_data(executor):
        outcome = executor.run(fill, MachineState(registers(rdi=start, rcx=end - start, rax=0x41)))
        assert outcome == Finished(MachineState(registers(rdi=end, rax=0x41))) or isinstance(outcome, Faulted)
        faults += isinstance(outcome, Faulted)
        assert executor.run(b"", MachineState()) == NOTHING
    assert faults >= 1
    areas = enumerate(own_data(executor))
    places = [(index, offset) for index, (a, b) in areas for offset in range(0, b - a, 8)]
    # What lies between is an unused stack; at its end are its frames and all other state.
    busy = [place for place in places if place[1] < 0x400 or place[1] >= 0x1FF00]
    for index, offset in [*busy, *source.sample(places, 500)]:
        assert executor.run(b"", MachineState()) == NOTHING
        address = own_data(executor)[index][0] + offset
        value = source.choice([0, 1, address, source.getrandbits(64)])
        state = MachineState(registers(rdi=address, rax=value))
        outcome = executor.run(store, state)
        assert outcome == Finished(state) or isinstance(outcome, Faulted), (index, hex(offset), hex(value))
        faults += isinstance(outcome, Faulted)
    assert 10 < faults < 500, faults


def test_code_that_writes_over_results(executor: Executor, assemble: Assemble) -> None:
    """A store into the shared memory of results is caught where it makes no sense of them."""
    executor.run(b"", MachineState())
    output = next(start for start, _, _, name in child_ranges(executor) if "burnish-output" in name)
    outcome = executor.run(assemble("mov [rdi], rdi"), MachineState(registers(rdi=output)))
    assert outcome == Faulted(signal.SIGSEGV, output, 0x400000)


def test_killed_between_runs(executor: Executor) -> None:
    for _ in range(3):
        assert executor.run(b"", MachineState()) == NOTHING
        assert executor.pid is not None
        os.kill(executor.pid, signal.SIGKILL)
        assert executor.run(b"", MachineState()) == NOTHING


def test_killed_during_a_batch(assemble: Assemble) -> None:
    """The state under way is tried again, so that a bystander is not blamed."""
    count = 2000
    gpr = np.zeros((count, 16), np.uint64)
    gpr[:, 1] = 100_000
    gpr[:, 3] = np.arange(count)
    batch = StateBatch(gpr, np.zeros((count, 16, 2), np.uint64), np.zeros(count, np.uint64))
    with Executor() as executor:
        executor.run(b"", MachineState())
        first = executor.pid
        assert first is not None
        killer = threading.Timer(0.02, os.kill, (first, signal.SIGKILL))
        killer.start()
        result = executor.run_batch(assemble("1: dec rcx\n jnz 1b\n lea rax, [rbx + rbx]"), batch)
        killer.join()
        assert executor.pid != first
    assert (result.status == Status.FINISHED).all()
    assert np.array_equal(result.gpr[:, 0], 2 * np.arange(count))


def test_no_zombie_is_left() -> None:
    pids: list[int] = []
    for _ in range(5):
        with Executor() as executor:
            executor.run(b"", MachineState())
            assert executor.pid is not None
            pids.append(executor.pid)
        assert executor.pid is None
        executor.close()
    forgotten = Executor()
    forgotten.run(b"", MachineState())
    assert forgotten.pid is not None
    pids.append(forgotten.pid)
    del forgotten
    assert all(gone(pid, 1) for pid in pids)


def test_a_closed_executor_starts_again(executor: Executor) -> None:
    assert executor.run(b"", MachineState()) == NOTHING
    executor.close()
    assert executor.run(b"", MachineState()) == NOTHING


def test_the_child_ends_with_its_parent(assemble: Assemble) -> None:
    """Also when the parent is killed while tested code loops."""
    program = (
        "import sys, threading; from burnish.runtime.isolation import *; from burnish.core.state import MachineState\n"
        "e = Executor(Limits(execution_seconds=0.3)); e.run(b'', MachineState()); print(e.pid, flush=True)\n"
        "while True: e.run(b'\\xeb\\xfe', MachineState())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.1)
        assert Path(f"/proc/{pid}").exists()
    finally:
        parent.kill()
        parent.communicate()
    assert gone(pid)


def test_several_at_once_and_in_threads(assemble: Assemble) -> None:
    code = assemble("lea rax, [rbx + 1]")
    failures: list[object] = []

    def work(seed: int) -> None:
        source = random.Random(seed)
        with Executor() as executor:
            for _ in range(200):
                value = source.getrandbits(60)
                outcome = executor.run(code, MachineState(registers(rbx=value)))
                if not isinstance(outcome, Finished) or outcome.state.gpr[0] != value + 1:
                    failures.append(outcome)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_one_executor_is_for_one_thread(assemble: Assemble) -> None:
    with Executor(Limits(execution_seconds=0.5)) as executor:
        outcomes: list[object] = []
        endless = assemble("1: jmp 1b")
        thread = threading.Thread(target=lambda: outcomes.append(executor.run(endless, MachineState())))
        thread.start()
        time.sleep(0.15)
        with pytest.raises(HostError, match="another thread"):
            executor.run(b"", MachineState())
        thread.join()
        assert outcomes == [TimedOut()]
        assert executor.run(b"", MachineState()) == NOTHING


def test_a_forked_process_leaves_the_child_alone(executor: Executor) -> None:
    assert executor.run(b"", MachineState()) == NOTHING
    first = executor.pid
    forked = os.fork()
    if forked == 0:
        code = 1
        try:
            executor.run(b"", MachineState())
        except HostError as error:
            code = 42 if "forked" in str(error) else 2
        finally:
            executor.close()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 42
    assert executor.run(b"", MachineState()) == NOTHING
    assert executor.pid == first


def test_an_interrupt_gets_through(assemble: Assemble) -> None:
    class InterruptError(Exception):
        pass

    def interrupt(_number: int, _frame: object) -> None:
        raise InterruptError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Executor(Limits(execution_seconds=20)) as executor:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            start = time.monotonic()
            with pytest.raises(InterruptError):
                executor.run(assemble("1: jmp 1b"), MachineState())
            assert time.monotonic() - start < 2
            assert executor.run(b"", MachineState()) == NOTHING
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_random_bytes_as_code(assemble: Assemble) -> None:
    """Whatever it is, an outcome comes back, and known code still gives its result."""
    source = random.Random(11)
    known, stack = assemble("imul rax, rbx, 7"), MemoryRegion(0x10000, source.randbytes(4096))
    with Executor(Limits(execution_seconds=0.01)) as executor:
        for _ in range(1500):
            code = source.randbytes(source.randrange(1, 24))
            gpr = tuple(source.choice([0x10800, source.getrandbits(64), 0x10000 + 8 * n]) for n in range(16))
            executor.run(code, MachineState(gpr, memory=(stack,)), Placement(return_address=0x200000))
            value = source.getrandbits(60)
            outcome = executor.run(known, MachineState(registers(rbx=value)))
            assert (
                outcome.state.gpr[0] == value * 7 & (1 << 64) - 1 if isinstance(outcome, Finished) else False
            ), code


@pytest.mark.parametrize("limits", [Limits(0), Limits(1, -1), Limits(1, 1, 0)])
def test_limits_are_positive(limits: Limits) -> None:
    with pytest.raises(ValueError, match="positive"):
        Executor(limits)
