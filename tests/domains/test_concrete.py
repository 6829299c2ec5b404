"""The concrete domain against the processor: whole functions, faults, and single operations."""

from __future__ import annotations

import math
import random
import shutil
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.core.code import Function
from burnish.core.errors import RefusedError
from burnish.core.image import Access
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.core.state import Faulted, Finished, MachineState, MemoryRegion, TimedOut
from burnish.domains.concrete import run
from burnish.domains.integers import compute
from burnish.images import load
from burnish.images.control_flow import control_flow
from burnish.machine.lift import lift_all
from burnish.runtime.isolation import DEFAULT_CODE_ADDRESS, RETURNING, Executor

STACK = 0x20000000
BUFFER = 0x10000000
SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
uint32_t adler(const unsigned char *p, size_t n) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) { a = (a + p[i]) % 65521; b = (b + a) % 65521; }
    return b << 16 | a;
}
int collatz(uint64_t n) { int k = 0; while (n != 1 && k < 300) { n = n & 1 ? 3 * n + 1 : n / 2; k++; } return k; }
int classify(int c) {
    switch (c) { case 0: return 7; case 1: return 70; case 2: return -3; case 3: return c * 9; case 4: return 1000;
                 case 5: return 11; case 6: return 12345; default: return -c; }
}
double mean(const double *p, size_t n) { double s = 0; for (size_t i = 0; i < n; i++) s += p[i]; return s / n; }
void reverse(unsigned char *p, size_t n) {
    for (size_t i = 0; i < n / 2; i++) { unsigned char t = p[i]; p[i] = p[n - 1 - i]; p[n - 1 - i] = t; }
}
long divide(long a, long b) { return a / b; }
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Function, bytes]]:
    """Each function with its control flow, and its bytes."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("concrete")
    source, library = folder / "a.c", folder / "a.so"
    source.write_text(SOURCE)
    flags = [
        "-O2",
        "-fno-jump-tables",
        "-fno-tree-switch-conversion",
        "-shared",
        "-fPIC",
        "-fcf-protection=none",
    ]
    subprocess.run(["gcc", *flags, str(source), "-o", str(library)], check=True)
    image = load(library)
    found: dict[str, tuple[Function, bytes]] = {}
    for bounds in image.functions:
        lifted = control_flow(image, bounds)
        code = image.read(bounds.address, bounds.size)
        if isinstance(lifted, Function) and code is not None:
            found[bounds.name] = (lifted, code)
    return found


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor() as made:
        yield made


def state_for(arguments: tuple[int, ...], data: bytes) -> MachineState:
    gpr = [random.Random(5).getrandbits(64) for _ in range(16)]
    gpr[4] = STACK + 0x800
    for number, value in zip((7, 6, 2, 1), arguments, strict=False):
        gpr[number] = value & (1 << 64) - 1
    memory = (MemoryRegion(BUFFER, data.ljust(4096, b"\0")), MemoryRegion(STACK, bytes(4096)))
    return MachineState(gpr=tuple(gpr), memory=memory)


DATA = random.Random(6).randbytes(700)
DOUBLES = struct.pack("<40d", *(random.Random(7).uniform(-9, 9) for _ in range(40)))


@pytest.mark.parametrize(
    ("name", "arguments", "data"),
    [
        ("adler", (BUFFER, 700), DATA),
        ("collatz", (27,), b""),
        *(("classify", (c,), b"") for c in (0, 1, 2, 3, 6, 7, -5)),
        ("mean", (BUFFER, 40), DOUBLES),
        ("reverse", (BUFFER, 33), DATA),
        ("divide", (-1000, 7), b""),
    ],
)
def test_functions_end_as_on_the_processor(
    name: str, arguments: tuple[int, ...], data: bytes,
    functions: dict[str, tuple[Function, bytes]], executor: Executor,
) -> None:  # fmt: skip
    function, code = functions[name]
    state = state_for(arguments, data)
    got, want = run(function, state), executor.run(code, state, RETURNING)
    assert isinstance(got, Finished)
    assert isinstance(want, Finished)
    assert got.state.gpr == want.state.gpr
    assert got.state.xmm == want.state.xmm
    # The executor stores its return address at the stack pointer; below it nothing differs.
    assert got.state.memory[0] == want.state.memory[0]
    assert got.state.memory[1].data[:0x800] == want.state.memory[1].data[:0x800]


@pytest.mark.parametrize(("name", "oracle"), [("adler32_z", zlib.adler32), ("crc32_z", zlib.crc32)])
@pytest.mark.parametrize("length", [0, 1, 15, 16, 100, 700])
def test_checksums_of_libz_are_those_of_python(
    name: str, oracle: Callable[[bytes, int], int], length: int
) -> None:
    """A real function, from a distribution's library, with its tables."""
    path = Path("/lib/x86_64-linux-gnu/libz.so.1")
    if not path.exists():
        pytest.skip("libz.so.1 is not installed")
    image = load(path)
    lifted = control_flow(image, next(b for b in image.functions if b.name == name))
    assert isinstance(lifted, Function)
    state = state_for((1, BUFFER, length), DATA)
    segments = tuple(MemoryRegion(s.address, s.data, s.access) for s in image.segments)
    state = replace(state, memory=(*state.memory, *segments))
    got = run(lifted, state)
    assert isinstance(got, Finished)
    assert got.state.gpr[0] & 0xFFFFFFFF == oracle(DATA[:length], 1)


def test_a_division_by_zero_faults_where_the_processor_does(
    functions: dict[str, tuple[Function, bytes]], executor: Executor
) -> None:
    function, code = functions["divide"]
    got = run(function, state_for((5, 0), b""))
    want = executor.run(code, state_for((5, 0), b""), RETURNING)
    assert isinstance(got, Faulted)
    assert isinstance(want, Faulted)
    assert got.signal == want.signal == signal.SIGFPE
    assert got.rip - function.address == want.rip - DEFAULT_CODE_ADDRESS


@pytest.mark.parametrize(
    "address", [0x30000000, STACK + 4096 - 3, STACK - 4, 1 << 47, 0xFFFF_8000_0000_0000 - 16, (1 << 64) - 4]
)
@pytest.mark.parametrize("text", ["48 8b 03", "48 89 03"])
def test_faults_name_the_address_that_the_processor_names(
    text: str, address: int, executor: Executor
) -> None:
    code = bytes.fromhex(text)
    state = state_for((), b"")
    state = MachineState((*state.gpr[:3], address, *state.gpr[4:]), memory=state.memory)
    got, want = run(lift_all(code, DEFAULT_CODE_ADDRESS), state), executor.run(code, state)
    assert isinstance(want, Faulted)
    assert got == want


def test_memory_that_is_read_only_cannot_be_written(executor: Executor) -> None:
    code = bytes.fromhex("c6 03 01")
    memory = (MemoryRegion(BUFFER, bytes(4096), Access.READ), MemoryRegion(STACK, bytes(4096)))
    state = MachineState((0, 0, 0, BUFFER + 5, STACK + 8, *range(11)), memory=memory)
    got, want = run(lift_all(code, DEFAULT_CODE_ADDRESS), state), executor.run(code, state)
    assert got == want == Faulted(signal.SIGSEGV, BUFFER + 5, DEFAULT_CODE_ADDRESS)


def test_an_endless_loop_is_stopped() -> None:
    assert run(lift_all(b"\xeb\xfe", 0x1000), MachineState(), max_steps=50) == TimedOut()


def test_a_refused_instruction_is_not_guessed() -> None:
    with pytest.raises(RefusedError):
        run(lift_all(bytes.fromhex("0f a2"), 0x1000), MachineState())


def test_other_rounding_modes_are_not_guessed() -> None:
    with pytest.raises(ValueError, match="rounding"):
        run(lift_all(b"\x90", 0x1000), MachineState(mxcsr=0x3F80))


def test_a_call_goes_on_in_the_same_code(executor: Executor) -> None:
    # call 1f; jmp 2f; 1: lea eax, [rdi + rdi*2]; ret; 2:
    code = bytes.fromhex("e8 02 00 00 00 eb 04 8d 04 7f c3")
    state = state_for((14,), b"")
    got, want = run(lift_all(code, DEFAULT_CODE_ADDRESS), state), executor.run(code, state)
    assert isinstance(got, Finished)
    assert got == want
    assert got.state.gpr[0] == 42


def test_a_trap_faults() -> None:
    assert run(lift_all(b"\x90\x0f\x0b", 0x1000), MachineState(), traps=frozenset({0x1001})) == Faulted(
        signal.SIGILL, 0x1001, 0x1001
    )


def node(size: int, offset: int = 0) -> Varnode:
    return Varnode(Space.UNIQUE, offset, size)


def floating(opcode: OpCode, *values: float, size: int = 8) -> float:
    """The result of a float operation on numbers."""
    form = "d" if size == 8 else "f"
    patterns = [int.from_bytes(struct.pack(f"<{form}", value), "little") for value in values]
    operation = Operation(opcode, node(size), tuple(node(size) for _ in values))
    return struct.unpack(f"<{form}", compute(operation, patterns).to_bytes(size, "little"))[0]


def test_floats_are_those_of_python() -> None:
    rng = random.Random(8)
    for _ in range(300):
        a, b = rng.uniform(-1e3, 1e3), rng.uniform(-1e-3, 1e3)
        assert floating(OpCode.FLOAT_ADD, a, b) == a + b
        assert floating(OpCode.FLOAT_MULT, a, b) == a * b
        assert floating(OpCode.FLOAT_DIV, a, b) == a / b
        assert floating(OpCode.FLOAT_SQRT, abs(a)) == math.sqrt(abs(a))


def test_single_precision_is_rounded_once() -> None:
    # 2^24 + 1 lies between two floats: as an integer it is rounded once, to even.
    operation = Operation(OpCode.FLOAT_INT2FLOAT, node(4), (node(8),))
    assert compute(operation, [(1 << 24) + 1]) == 0x4B800000
    # Through a double this would be rounded twice, and come out one unit lower.
    assert compute(operation, [(1 << 54) + (1 << 30) + 1]) == 0x5A800001


@pytest.mark.parametrize("opcode", [OpCode.WIDE_DIV, OpCode.WIDE_SDIV])
def test_wide_division_by_zero_and_overflow_raise(opcode: OpCode) -> None:
    operation = Operation(opcode, node(4), (node(4), node(4), node(4)))
    with pytest.raises(ArithmeticError):
        compute(operation, [0, 1, 0])
    with pytest.raises(ArithmeticError):
        compute(operation, [0x7FFFFFFF, 0, 1])


def test_an_operation_without_a_meaning_is_an_error() -> None:
    with pytest.raises(KeyError):
        compute(Operation(OpCode.CALLOTHER, node(4), (node(4),)), [0])
