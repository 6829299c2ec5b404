"""Single executions: what comes back is what the processor manual and Python's integers say."""

from __future__ import annotations

import dataclasses
import itertools
import random
import signal
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish.core.errors import HostError
from burnish.core.image import Access
from burnish.core.state import FLAGS_MASK, Faulted, Finished, MachineState, MemoryRegion, TimedOut
from burnish.runtime.isolation import DEFAULT_CODE_ADDRESS, RETURNING, Executor, Limits, Placement

Assemble = Callable[[str], bytes]

CF, PF, AF, ZF, SF, DF, OF = 0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 = range(9)
MASK = (1 << 64) - 1
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63, MASK - 1, MASK]


@pytest.fixture(scope="module")
def shared() -> Iterator[Executor]:
    """One child for all tests that do not care: what one leaves behind is the next one's problem."""
    with Executor() as executor:
        yield executor


def registers(**values: int) -> tuple[int, ...]:
    names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
    return tuple(values.get(name, 0) for name in names)


def finish(
    executor: Executor, code: bytes, state: MachineState, placement: Placement | None = None
) -> MachineState:
    outcome = executor.run(code, state, placement)
    assert isinstance(outcome, Finished), outcome
    return outcome.state


def random_state(source: random.Random) -> MachineState:
    return MachineState(
        tuple(source.choice([source.getrandbits(64), source.choice(EDGES)]) for _ in range(16)),
        tuple(source.getrandbits(128) for _ in range(16)),
        source.getrandbits(12) & FLAGS_MASK,
        0x1F80 | source.choice([0, 0x2000, 0x4000, 0x6000]) | source.choice([0, 0x8000, 0x40, 0x21]),
    )


def signed(value: int, bits: int = 64) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def result_flags(result: int) -> int:
    flags = PF if (result & 0xFF).bit_count() % 2 == 0 else 0
    return flags | (ZF if result == 0 else 0) | (SF if result >> 63 else 0)


def test_no_code_leaves_every_state_as_it_is(shared: Executor) -> None:
    source = random.Random(1)
    for _ in range(200):
        state = random_state(source)
        assert finish(shared, b"", state) == state


def test_add_and_subtract_with_carry(shared: Executor, assemble: Assemble) -> None:
    adc, sbb = assemble("adc rax, rbx"), assemble("sbb rax, rbx")
    for a in EDGES:
        for b in EDGES:
            for carry in (0, 1):
                state = MachineState(registers(rax=a, rbx=b), flags=carry)
                total = a + b + carry
                wide = signed(a) + signed(b) + carry
                after = finish(shared, adc, state)
                assert after.gpr[RAX] == total & MASK
                assert after.flags == (
                    result_flags(total & MASK)
                    | (CF if total > MASK else 0)
                    | (AF if (a & 15) + (b & 15) + carry > 15 else 0)
                    | (OF if signed(total & MASK) != wide else 0)
                )
                total = a - b - carry
                wide = signed(a) - signed(b) - carry
                after = finish(shared, sbb, state)
                assert after.gpr[RAX] == total & MASK
                assert after.flags == (
                    result_flags(total & MASK)
                    | (CF if total < 0 else 0)
                    | (AF if (a & 15) - (b & 15) - carry < 0 else 0)
                    | (OF if signed(total & MASK) != wide else 0)
                )


def test_multiply_and_divide(shared: Executor, assemble: Assemble) -> None:
    multiply, divide, divide_signed = assemble("mul rbx"), assemble("div rbx"), assemble("idiv rbx")
    for a in EDGES:
        for b in EDGES:
            after = finish(shared, multiply, MachineState(registers(rax=a, rbx=b, rdx=7)))
            assert after.gpr[RDX] << 64 | after.gpr[RAX] == a * b
            assert bool(after.flags & CF) == bool(after.flags & OF) == (a * b > MASK)

            for high in (0, 1, b - 1 if b else 0):
                dividend = high << 64 | a
                outcome = shared.run(divide, MachineState(registers(rax=a, rdx=high, rbx=b)))
                if b == 0 or dividend // b > MASK:
                    assert outcome == Faulted(signal.SIGFPE, DEFAULT_CODE_ADDRESS, DEFAULT_CODE_ADDRESS)
                else:
                    assert isinstance(outcome, Finished)
                    assert outcome.state.gpr[RAX] == dividend // b
                    assert outcome.state.gpr[RDX] == dividend % b

            outcome = shared.run(divide_signed, MachineState(registers(rax=a, rdx=MASK * (a >> 63), rbx=b)))
            if b == 0 or (signed(a), signed(b)) == (-(1 << 63), -1):
                assert isinstance(outcome, Faulted)
                assert outcome.signal == signal.SIGFPE
            else:
                quotient = abs(signed(a)) // abs(signed(b)) * (1 if a >> 63 == b >> 63 else -1)
                assert isinstance(outcome, Finished)
                assert outcome.state.gpr[RAX] == quotient & MASK
                assert outcome.state.gpr[RDX] == (signed(a) - quotient * signed(b)) & MASK


def test_vector_registers_hold_what_they_should(shared: Executor, assemble: Assemble) -> None:
    source = random.Random(2)
    code = assemble("paddb xmm0, xmm15\n mulpd xmm7, xmm8\n pxor xmm3, xmm3")
    for _ in range(50):
        bytes_a, bytes_b = source.randbytes(16), source.randbytes(16)
        pairs = [(source.uniform(-1e9, 1e9), source.uniform(-1e9, 1e9)) for _ in range(2)]
        xmm = list(random_state(source).xmm)
        xmm[0], xmm[15] = int.from_bytes(bytes_a, "little"), int.from_bytes(bytes_b, "little")
        xmm[7], xmm[8] = (int.from_bytes(struct.pack("<2d", *v), "little") for v in zip(*pairs, strict=True))
        after = finish(shared, code, MachineState(xmm=tuple(xmm)))
        expected = list(xmm)
        total = bytes((a + b) & 0xFF for a, b in zip(bytes_a, bytes_b, strict=True))
        expected[0] = int.from_bytes(total, "little")
        expected[7] = int.from_bytes(struct.pack("<2d", *(a * b for a, b in pairs)), "little")
        expected[3] = 0
        assert after.xmm == tuple(expected)


def test_rounding_mode_and_exception_flags_are_part_of_the_state(
    shared: Executor, assemble: Assemble
) -> None:
    code = assemble("cvtsd2si rax, xmm0")
    half = int.from_bytes(struct.pack("<d", 2.5), "little")
    for mode, expected in ((0x0000, 2), (0x2000, 2), (0x4000, 3), (0x6000, 2)):
        after = finish(shared, code, MachineState(xmm=(half,) + (0,) * 15, mxcsr=0x1F80 | mode))
        assert after.gpr[RAX] == expected
        assert after.mxcsr == 0x1FA0 | mode
    after = finish(shared, b"", MachineState())
    assert after.mxcsr == 0x1F80
    unmasked = MachineState(xmm=(half,) + (0,) * 15, mxcsr=0x0F80)
    assert shared.run(code, unmasked) == Faulted(signal.SIGFPE, DEFAULT_CODE_ADDRESS, DEFAULT_CODE_ADDRESS)


def test_every_general_register_is_the_codes_own(shared: Executor, assemble: Assemble) -> None:
    names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
    rotate = "\n".join(f"xchg {a}, {b}" for a, b in itertools.pairwise(names))
    state = random_state(random.Random(3))
    after = finish(shared, assemble(rotate), state)
    assert after == dataclasses.replace(state, gpr=state.gpr[1:] + state.gpr[:1])


def test_return_and_stack(shared: Executor, assemble: Assemble) -> None:
    stack = MemoryRegion(0x7FFD_0000_0000, bytes(range(256)) * 16)
    state = MachineState(registers(rsp=stack.address + 2048), memory=(stack,))
    after = finish(shared, assemble("mov rax, [rsp + 8]\n push rax\n pop rbx\n ret"), state, RETURNING)
    assert after.gpr[RSP] == stack.address + 2056
    assert after.gpr[RBX] == int.from_bytes(stack.data[2056:2064], "little")
    assert RETURNING.return_address is not None
    expected = bytearray(stack.data)
    expected[2048:2056] = RETURNING.return_address.to_bytes(8, "little")
    expected[2040:2048] = stack.data[2056:2064]
    assert after.memory == (MemoryRegion(stack.address, bytes(expected)),)
    lost = dataclasses.replace(state, memory=())
    assert shared.run(b"\xc3", lost, RETURNING) == Faulted(
        signal.SIGSEGV, stack.address + 2048, DEFAULT_CODE_ADDRESS
    )


def test_red_zone_survives_the_clock(assemble: Assemble) -> None:
    """The timer (every 20 ms) interrupts the loop; nothing may be written below the code's stack pointer."""
    code = assemble("1: dec rcx\n jnz 1b")
    stack = MemoryRegion(0x10000, random.Random(4).randbytes(4096))
    with Executor(Limits(execution_seconds=10)) as executor:
        for rsp in (0x10000 + 4096, 0x10000 + 2048 + 3, 0, MASK):
            state = MachineState(registers(rcx=300_000_000, rsp=rsp), memory=(stack,))
            start = time.monotonic()
            after = finish(executor, code, state)
            assert time.monotonic() - start > 0.04
            assert after.memory == (stack,)
            assert after.gpr == registers(rsp=rsp)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mov rax, [rdi]", Faulted(signal.SIGSEGV, 0xDEAD0000, DEFAULT_CODE_ADDRESS)),
        ("nop\n mov [rdi + 8], al", Faulted(signal.SIGSEGV, 0xDEAD0008, DEFAULT_CODE_ADDRESS + 1)),
        ("jmp rdi", Faulted(signal.SIGSEGV, 0xDEAD0000, 0xDEAD0000)),
        ("mov byte ptr [rsi], 1", Faulted(signal.SIGSEGV, 0x30000, DEFAULT_CODE_ADDRESS)),
        ("jmp rbx", Faulted(signal.SIGSEGV, 0x20000, 0x20000)),
        ("mov al, [rbx + 4096]", Faulted(signal.SIGSEGV, 0x21000, DEFAULT_CODE_ADDRESS)),
        ("mov al, [rbx - 1]", Faulted(signal.SIGSEGV, 0x1FFFF, DEFAULT_CODE_ADDRESS)),
        ("mov [rip], al", Faulted(signal.SIGSEGV, DEFAULT_CODE_ADDRESS + 6, DEFAULT_CODE_ADDRESS)),
        ("mov rax, [r9]", Faulted(signal.SIGSEGV, 0, DEFAULT_CODE_ADDRESS)),
        ("mov rax, [rbp]", Faulted(signal.SIGBUS, 0, DEFAULT_CODE_ADDRESS)),
        ("movaps xmm0, [rbx + 1]", Faulted(signal.SIGSEGV, 0, DEFAULT_CODE_ADDRESS)),
        ("hlt", Faulted(signal.SIGSEGV, 0, DEFAULT_CODE_ADDRESS)),
        ("nop\n nop\n ud2", Faulted(signal.SIGILL, DEFAULT_CODE_ADDRESS + 2, DEFAULT_CODE_ADDRESS + 2)),
        ("int3", Faulted(signal.SIGTRAP, 0, DEFAULT_CODE_ADDRESS + 1)),
        (
            "mov byte ptr [rbx + 4094], 1\n mov [r8], al",
            Faulted(signal.SIGSEGV, 0x50, DEFAULT_CODE_ADDRESS + 7),
        ),
    ],
)
def test_faults(shared: Executor, assemble: Assemble, text: str, expected: Faulted) -> None:
    writable = MemoryRegion(0x20000, bytes(4096))
    constant = MemoryRegion(0x30000, bytes(10), Access.READ)
    gpr = registers(rdi=0xDEAD0000, rsi=0x30000, rbx=0x20000, rbp=1 << 62, r9=1 << 62, r8=0x50)
    outcome = shared.run(assemble(text), MachineState(gpr, memory=(writable, constant)))
    assert outcome == expected


def test_a_store_beside_a_region_is_a_fault(shared: Executor, assemble: Assemble) -> None:
    region = MemoryRegion(0x20100, bytes(100))
    code = assemble("mov [rdi], al")
    for address, inside in (
        (0x20100, True),
        (0x20163, True),
        (0x200FF, False),
        (0x20164, False),
        (0x20FFF, False),
    ):
        outcome = shared.run(code, MachineState(registers(rdi=address, rax=1), memory=(region,)))
        if inside:
            assert isinstance(outcome, Finished)
        else:
            assert outcome == Faulted(signal.SIGSEGV, address, 0)


def test_alignment_check_trap_flag_and_direction_do_not_outlive_an_execution(
    shared: Executor, assemble: Assemble
) -> None:
    stack = MemoryRegion(0x20000, bytes(4096))
    state = MachineState(registers(rsp=0x20800, rdi=0x20101, rsi=0x20200, rcx=64), memory=(stack,))
    plain = assemble("mov eax, [rdi]\n rep movsb")
    expected = finish(shared, plain, state)
    alignment = assemble("pushfq\n or dword ptr [rsp], 0x40000\n popfq\n mov eax, [rdi]")
    outcome = shared.run(alignment, state)
    assert isinstance(outcome, Faulted)
    assert outcome.signal == signal.SIGBUS
    assert finish(shared, plain, state) == expected
    finish(shared, assemble("pushfq\n or dword ptr [rsp], 0x40000\n popfq"), state)
    assert finish(shared, plain, state) == expected
    trap = shared.run(assemble("pushfq\n or dword ptr [rsp], 0x100\n popfq\n nop\n nop"), state)
    assert isinstance(trap, Faulted)
    assert trap.signal == signal.SIGTRAP
    assert finish(shared, plain, state) == expected
    assert finish(shared, assemble("std"), state).flags == DF
    assert isinstance(shared.run(assemble("std\n ud2"), state), Faulted)
    assert finish(shared, plain, state) == expected


def test_x87_and_upper_vector_halves_start_fresh(shared: Executor, assemble: Assemble) -> None:
    region = MemoryRegion(0x20000, bytes(64))
    state = MachineState(registers(rdi=0x20000), memory=(region,))
    probe = assemble("fnstcw [rdi]\n fnstsw [rdi + 2]\n fld1\n fstp qword ptr [rdi + 8]")
    mess = "fldz\n" * 9 + "fld1\n fldz\n fdivp\n push 0\n"
    for wreck in (
        "fldz\n" * 9,
        "fldz\n" * 5 + "fld1\n fdiv st, st(1)",
        "mov word ptr [rdi], 0\n fldcw [rdi]",
        mess,
    ):
        shared.run(assemble(wreck), state)
        data = finish(shared, probe, state).memory[0].data
        assert data[:4] == bytes.fromhex("7f030000")
        assert struct.unpack("<d", data[8:16]) == (1.0,)
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the rest needs AVX2")
    finish(shared, assemble("vpcmpeqd ymm5, ymm5, ymm5"), state)
    after = finish(shared, assemble("vextracti128 xmm0, ymm5, 1\n vmovdqu [rdi], ymm5"), state)
    assert after.xmm[0] == 0
    assert after.memory[0].data[:32] == bytes(32)


def test_thread_pointer(shared: Executor, assemble: Assemble) -> None:
    block = MemoryRegion(0x7F12_3456_7000, bytes(0x28) + b"canary!!")
    code = assemble("mov rax, fs:[0x28]")
    after = finish(shared, code, MachineState(memory=(block,), fs_base=block.address))
    assert after.gpr[RAX].to_bytes(8, "little") == b"canary!!"
    assert shared.run(code, MachineState()) == Faulted(signal.SIGSEGV, 0x28, DEFAULT_CODE_ADDRESS)
    assert shared.run(assemble("mov rax, gs:[0x30]"), MachineState()) == Faulted(
        signal.SIGSEGV, 0x30, DEFAULT_CODE_ADDRESS
    )


def test_memory_and_code_lie_anywhere(shared: Executor, assemble: Assemble) -> None:
    source = random.Random(5)
    code = assemble("mov rax, [rdi]\n add rax, 1\n mov [rsi], rax")
    common = [0x10000, 0x400000, 0x5555_5555_4000, 0x7FFF_F7DD_0000, 0x7FFF_FFFD_E000, 0x7F00_0000_0000]
    for _ in range(100):
        pages = source.sample([*common, *(source.randrange(16, (1 << 35) - 2) << 12 for _ in range(6))], 3)
        data = source.randbytes(8)
        state = MachineState(
            registers(rdi=pages[0], rsi=pages[1]),
            memory=(MemoryRegion(pages[0], data, Access.READ), MemoryRegion(pages[1], bytes(8))),
        )
        after = finish(shared, code, state, Placement(address=pages[2]))
        assert int.from_bytes(after.memory[1].data, "little") == int.from_bytes(data, "little") + 1 & MASK
        assert after.memory[0] == state.memory[0]


def test_code_in_memory_regions(shared: Executor, assemble: Assemble) -> None:
    """A function in the image calls another, and finds its constants relative to itself."""
    text = assemble("lea rax, [rip + 0x1000]\n call 1f\n ret\n 1: mov rax, [rax]\n ret").ljust(4096, b"\xcc")
    stack = MemoryRegion(0x9000_0000, bytes(4096))
    image = (
        MemoryRegion(0x1234_5000, text, Access.READ | Access.EXECUTE),
        MemoryRegion(0x1234_6000, b"constant" * 2, Access.READ),
    )
    state = MachineState(registers(rsp=0x9000_0800), memory=(*image, stack))
    placement = dataclasses.replace(RETURNING, entry=0x1234_5000)
    after = finish(shared, b"", state, placement)
    assert after.gpr[RAX] == int.from_bytes(b"tconstan", "little")
    assert after.gpr[RSP] == 0x9000_0808


def test_endless_loops_end(assemble: Assemble) -> None:
    with Executor(Limits(execution_seconds=0.05)) as executor:
        assert executor.run(b"", MachineState()) == Finished(MachineState())
        pid = executor.pid
        assert executor.run(assemble("1: jmp 1b"), MachineState()) == TimedOut()
        assert executor.run(assemble("1: push rax\n pop rax\n jmp 1b"), MachineState()) == Faulted(
            signal.SIGSEGV, MASK - 7, DEFAULT_CODE_ADDRESS
        )
        assert executor.run(assemble("2: mov rcx, -1\n 1: loop 1b\n jmp 2b"), MachineState()) == TimedOut()
        assert executor.run(b"", MachineState()) == Finished(MachineState())
        assert executor.pid == pid


@pytest.mark.parametrize(
    ("state", "placement", "message"),
    [
        (MachineState(memory=(MemoryRegion(0x10000, b""),)), Placement(), "empty"),
        (MachineState(memory=(MemoryRegion(1 << 47, b"x"),)), Placement(), "outside the address space"),
        (MachineState(memory=(MemoryRegion(0, b"x"),)), Placement(), "outside the address space"),
        (
            MachineState(memory=(MemoryRegion(0x10000, b"xx"), MemoryRegion(0x10001, b"x"))),
            Placement(),
            "overlaps",
        ),
        (MachineState(memory=(MemoryRegion(0x10000, b"x"),)), Placement(0x10800), "shares a page"),
        (MachineState(gpr=(0,) * 15), Placement(), "16 general"),
        (MachineState(gpr=(1 << 64,) + (0,) * 15), Placement(), "out of range"),
        (MachineState(gpr=(-1,) + (0,) * 15), Placement(), "out of range"),
        (MachineState(flags=0x100), Placement(), "flags must"),
        (MachineState(mxcsr=1 << 16), Placement(), "mxcsr must"),
        (MachineState(fs_base=1 << 63), Placement(), "fs_base must"),
    ],
)
def test_impossible_requests(
    shared: Executor, state: MachineState, placement: Placement, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shared.run(b"\x90", state, placement)


def test_more_memory_than_allowed(shared: Executor) -> None:
    state = MachineState(memory=(MemoryRegion(0x1000_0000, bytes(1 << 26)),))
    with Executor(Limits(memory_bytes=1 << 25)) as executor:
        with pytest.raises(HostError, match="cannot be mapped"):
            executor.run(b"", state)
        assert executor.run(b"", MachineState()) == Finished(MachineState())
    assert finish(shared, b"", state) == state
