"""Runs two functions natively on the same inputs and says where they differ: the judge of the verifier's corpora.

It shares nothing with the verifier but the isolated executor. The System V convention is what counts: result
registers, callee-saved registers, the stack pointer, the direction flag, MXCSR's control bits, memory but for the dead
frame, and how it ends. Where the original does not finish, nothing is asked of the other.

Functions that an object takes from elsewhere become stubs that add their arguments and their order to a log, which is
compared as memory is; they fault where the stack is not aligned as at a call, and overwrite what a callee may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from burnish.core.image import Access, Image
from burnish.images import load
from burnish.runtime.isolation import (
    DEFAULT_RETURN_ADDRESS,
    BatchResult,
    Executor,
    Placement,
    StateBatch,
    Status,
    Window,
)

GPR = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
STACK = 0x7FFD_0000_0000
STACK_SIZE = 0x400
ROOM = 128
"""Bytes of the stack at and above the entry stack pointer: the return address and stack arguments."""
RSP = STACK + STACK_SIZE - ROOM - 8
"""The entry stack pointer: at a function's first instruction, ``rsp + 8`` is a multiple of 16."""
LOG = 0x7FFC_0000_0000
STUBS = 0x7FFB_0000_0000
_STUB = 256
_SAVED = ("rbx", "rsp", "rbp", "r12", "r13", "r14", "r15")
_DIRECTION = 0x400
_CONTROL = 0xFFC0


@dataclass(frozen=True, slots=True)
class Native:
    """A function of a file, ready to be run: its code and memory at image addresses.

    ``code`` is the section with the function, at ``address``; ``windows`` is all other memory of the image;
    ``writable`` names the writable ones among them, in order. ``callees`` gives the number of arguments of
    what the object takes from elsewhere.
    """

    image: Image = field(repr=False)
    name: str
    entry: int
    size: int
    address: int
    code: bytes = field(repr=False)
    windows: tuple[Window, ...] = field(repr=False)
    writable: tuple[str, ...] = ()

    @property
    def placement(self) -> Placement:
        """Where the code lies."""
        return Placement(self.address, DEFAULT_RETURN_ADDRESS, self.entry)


def native(path: Path, function: str, callees: Mapping[str, int] | None = None) -> Native:
    """The function of that name. Raises ``LookupError`` where there is none."""
    image = load(path)
    bounds = next((b for b in image.functions if function in (b.name, *b.aliases)), None)
    if bounds is None:
        raise LookupError(f"{path.name} has no function {function}")
    names = sorted({taken.name for taken in image.got.values()})
    windows: list[Window] = []
    writable: list[str] = []
    text = image.segment_at(bounds.address)
    assert text is not None
    for segment in image.segments:
        if segment is text:
            continue
        data = bytearray(segment.data)
        for slot, taken in image.got.items():
            if segment.address <= slot < segment.end:
                at = slot - segment.address
                data[at : at + 8] = (STUBS + _STUB * names.index(taken.name)).to_bytes(8, "little")
        access = segment.access & ~Access.WRITE if _is_slots(image, segment.address) else segment.access
        windows.append(Window(segment.address, np.frombuffer(bytes(data), np.uint8), access))
        if Access.WRITE in access:
            writable.append(_section_at(image, segment.address))
    if names:
        stubs = b"".join(_stub(name, (callees or {}).get(name, 0)).ljust(_STUB, b"\xcc") for name in names)
        windows.append(Window(STUBS, np.frombuffer(stubs, np.uint8), Access.READ | Access.EXECUTE))
    windows.append(Window(LOG, np.zeros(64, np.uint8)))
    writable.append("the calls made")
    return Native(
        image, function, bounds.address, bounds.size, text.address, text.data, tuple(windows), tuple(writable)
    )


def _is_slots(image: Image, address: int) -> bool:
    """True for memory that only the loader writes, and for the stubs that call through it."""
    return any(start <= address < end for start, end in image.constant) or image.is_code(address)


def _section_at(image: Image, address: int) -> str:
    return next((s.name for s in image.sections if s.address == address), hex(address))


def _stub(name: str, arguments: int) -> bytes:
    """Code of a callee: folds its name and arguments into the log, returns what it folded, and leaves no
    caller-saved register as it was.

    ``mov r11, LOG; mov rax, [r11]``, then ``rol rax, 13; add rax, value; imul rax, rax, 0x5bd1e995`` a value.
    """
    code = bytearray(b"\x0f\x29\x44\x24\xe8")  # movaps [rsp - 24], xmm0: faults where the stack is misaligned
    code += b"\x49\xbb" + LOG.to_bytes(8, "little") + b"\x49\x8b\x03"
    mix = b"\x48\x69\xc0\x95\xe9\xd1\x5b"
    code += b"\x48\xc1\xc0\x0d\x48\x05" + (crc32(name.encode()) >> 1).to_bytes(4, "little") + mix
    adds = (
        b"\x48\x01\xf8",
        b"\x48\x01\xf0",
        b"\x48\x01\xd0",
        b"\x48\x01\xc8",
        b"\x4c\x01\xc0",
        b"\x4c\x01\xc8",
    )
    for add in adds[:arguments]:
        code += b"\x48\xc1\xc0\x0d" + add + mix
    code += b"\x49\x89\x03"
    garbage = (0x1DEA, 0x2DEA, 0x3DEA)
    for opcode, value in zip((b"\x48\xc7\xc1", b"\x48\xc7\xc2", b"\x48\xc7\xc6"), garbage, strict=True):
        code += opcode + value.to_bytes(4, "little")  # rcx, rdx, rsi
    for opcode in (b"\x48\xc7\xc7", b"\x49\xc7\xc0", b"\x49\xc7\xc1", b"\x49\xc7\xc2", b"\x49\xc7\xc3"):
        code += opcode + (0x4DEA).to_bytes(4, "little")  # rdi, r8 … r11
    # movd xmm0 … xmm7, ecx
    code += b"".join(b"\x66\x0f\x6e" + bytes([0xC1 | register << 3]) for register in range(8))
    return bytes(code + b"\xc3")


@dataclass(frozen=True, slots=True)
class Result:
    """The low ``size`` bytes of a result register: ``rax``, ``rdx``, ``xmm0`` or ``xmm1``."""

    register: str
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """States to run on: registers by row, and the memory that they point into. ``data`` are windows with names."""

    gpr: NDArray[np.uint64]
    xmm: NDArray[np.uint64]
    flags: NDArray[np.uint64]
    stack: NDArray[np.uint8]
    """``(N, STACK_SIZE)``."""
    data: tuple[tuple[str, Window], ...] = ()

    def __len__(self) -> int:
        return len(self.flags)

    def take(self, rows: slice) -> Inputs:
        """Some of the states."""
        data = tuple(
            (name, w if w.contents.ndim == 1 else Window(w.address, w.contents[rows], w.access))
            for name, w in self.data
        )
        return Inputs(self.gpr[rows], self.xmm[rows], self.flags[rows], self.stack[rows], data)


def run(
    executor: Executor, function: Native, codes: Sequence[bytes], inputs: Inputs
) -> tuple[BatchResult, ...]:
    """What the function, or variants of its section (``codes``), make of the inputs."""
    windows = (
        Window(STACK, inputs.stack),
        *(window for _, window in inputs.data),
        *function.windows,
    )
    states = StateBatch(inputs.gpr, inputs.xmm, inputs.flags, windows)
    return executor.run_batches(codes, states, function.placement)


def differences(
    left: tuple[Native, BatchResult],
    right: tuple[Native, BatchResult],
    inputs: Inputs,
    results: Sequence[Result],
    stack_bytes: int = 0,
) -> dict[str, NDArray[np.bool_]]:
    """Where the second differs from the first: for each thing that differs at all, which states show it.

    ``stack_bytes`` is the extent of stack arguments, which are the callee's own.
    """
    (one, a), (two, b) = left, right
    finished = a.status == Status.FINISHED
    both = finished & (b.status == Status.FINISHED)
    found: dict[str, NDArray[np.bool_]] = {"end": finished & ~both}
    for result in results:
        found[result.register] = both & _register_differs(a, b, result)
    for name in _SAVED:
        index = GPR.index(name)
        found[name] = both & (a.gpr[:, index] != b.gpr[:, index])
    found["direction flag"] = both & ((a.flags ^ b.flags) & np.uint64(_DIRECTION) != 0)
    found["mxcsr"] = both & ((a.mxcsr ^ b.mxcsr) & np.uint32(_CONTROL) != 0)
    for name, (x, y) in _memories(one, a, two, b, inputs, stack_bytes).items():
        found[name] = both & (x != y).any(axis=1)
    return {name: rows for name, rows in found.items() if rows.any()}


def _register_differs(a: BatchResult, b: BatchResult, result: Result) -> NDArray[np.bool_]:
    if result.register.startswith("xmm"):
        number = int(result.register[3:])
        x, y = (r.xmm[:, number].copy().view(np.uint8)[:, : result.size] for r in (a, b))
    else:
        number = GPR.index(result.register)
        x, y = (r.gpr[:, [number]].copy().view(np.uint8)[:, : result.size] for r in (a, b))
    return (x != y).any(axis=1)


def _memories(
    one: Native, a: BatchResult, two: Native, b: BatchResult, inputs: Inputs, stack_bytes: int
) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Pairs of memory after, by name. What only one side has cannot be compared, and is its own affair."""
    first, second = (
        dict(zip(["stack", *_writable(inputs), *side.writable], result.windows, strict=True))
        for side, result in ((one, a), (two, b))
    )
    low = RSP + 8 + stack_bytes - STACK
    first["stack"], second["stack"] = first["stack"][:, low:], second["stack"][:, low:]
    return {
        name: (first[name], second[name])
        for name in first
        if name in second and first[name].shape == second[name].shape
    }


def _writable(inputs: Inputs) -> list[str]:
    return [name for name, window in inputs.data if Access.WRITE in window.access]
