"""Co-simulation: instruction forms of real images, states to run them on, and what the processor makes of them.

A *form* is an instruction apart from its registers, displacement and immediate: opcode, prefixes, and the kind and
size of each operand. Each form keeps a few encodings as examples. ``states`` places memory windows where an example's
operands point and mixes random values with edge values; ``expected`` runs the example on the processor in isolation;
``disagreements`` compares that with any other meaning of the instruction.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import capstone
import numpy as np
from capstone import x86
from numpy.typing import NDArray

from burnish.core.code import Refused
from burnish.core.image import Image
from burnish.core.state import Faulted, Finished, MachineState, MemoryRegion, Outcome, SystemCall, TimedOut
from burnish.domains.concrete import FLAG_BITS
from burnish.machine.encoding import Encoding, decode
from burnish.machine.flags import undefined_flags
from burnish.machine.lift import lift
from burnish.machine.refusals import is_trap
from burnish.runtime.isolation import BatchResult, Executor, Placement, StateBatch, Status, Window

CODE = 0x400000
DATA = 0x10000000
STACK = 0x20000000
WINDOW = 0x2000
"""Bytes of each window: two pages, operands near the middle."""

_SKIPPED = bytes.fromhex("41bf78563412")
"""``mov r15d, 0x12345678``: what a taken jump jumps over."""

_GPR_NUMBER = {
    name: number
    for number, names in enumerate(
        (
            ("rax", "eax", "ax", "al"), ("rcx", "ecx", "cx", "cl"), ("rdx", "edx", "dx", "dl"),
            ("rbx", "ebx", "bx", "bl"), ("rsp", "esp", "sp", "spl"), ("rbp", "ebp", "bp", "bpl"),
            ("rsi", "esi", "si", "sil"), ("rdi", "edi", "di", "dil"),
            *((f"r{k}", f"r{k}d", f"r{k}w", f"r{k}b") for k in range(8, 16)),
        )
    )
    for name in names
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """Base and index as register numbers, or -1."""

    base: int
    index: int
    scale: int
    displacement: int
    rip_relative: bool
    fs: bool
    size: int


@dataclass(frozen=True, slots=True)
class Example:
    """One encoding of a form. ``code`` is what is run at ``CODE``: the instruction with its moving bytes redirected to
    a window or past the next instruction, and for jumps an instruction to jump over."""

    raw: bytes
    text: str
    encoding: Encoding
    memory: MemoryOperand | None
    code: bytes

    @property
    def end(self) -> int:
        """Address at which the code ends."""
        return CODE + len(self.code)


@dataclass(slots=True)
class Form:
    """See the module; ``refused`` is None where it lifts."""

    key: str
    examples: list[Example] = field(default_factory=list[Example])
    refused: Refused | None = None
    count: int = 0


@cache
def _disassembler() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    return engine


def forms(image: Image, examples: int = 3) -> list[Form]:
    """The distinct forms in the functions of an image, with up to ``examples`` encodings each, in a fixed order."""
    return forms_of(
        (image.read(bounds.address, bounds.size) or b"" for bounds in image.functions), examples=examples
    )


def forms_of(codes: Iterable[bytes], examples: int = 3) -> list[Form]:
    """The distinct forms in pieces of straight code."""
    found: dict[str, Form] = {}
    seen: dict[bytes, Form] = {}
    for code in codes:
        offset = 0
        while offset < len(code):
            encoding = decode(code, offset)
            if encoding is None:
                break
            raw = code[offset : offset + encoding.size]
            offset += encoding.size
            form = seen.get(raw)
            if form is None:
                form = _classify(raw, encoding, found, examples)
                if form is None:
                    break
                seen[raw] = form
            form.count += 1
    return sorted(found.values(), key=lambda form: form.key)


def sweep() -> Iterator[bytes]:
    """Encodings that exhaust the opcode maps: every opcode with each mandatory prefix, an address-size or ``fs``
    prefix, and several REX prefixes, for every middle field of ModRM, with another register, the same register and
    memory. Many are no instructions."""
    immediate = bytes.fromhex("9300000000000000")
    escapes = (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a")
    prefixes = (b"", b"\x66", b"\xf3", b"\xf2", b"\x67", b"\x64")
    rexes = (b"", b"\x48", b"\x40", b"\x4d")
    for escape, opcode, prefix, rex in product(escapes, range(256), prefixes, rexes):
        head = prefix + rex + escape + bytes([opcode])
        if decode(prefix + escape + bytes([opcode]) + bytes(12)) is None:
            continue
        for modrm in (*range(0xC3, 0x100, 8), *range(0x03, 0x40, 8)):
            code = head + bytes([modrm]) + immediate
            encoding = decode(code)
            if encoding is None or encoding.opcode != opcode:
                continue
            yield code[: encoding.size]
            if encoding.modrm < 0:
                break


def sweep_immediates() -> Iterator[bytes]:
    """Every instruction with a one-byte immediate, in its register form, with some sixty values of it."""
    values = sorted({*range(36), *range(0, 256, 9), 63, 64, 65, 0x1B, 0x72, 0xE4, 0xFF})
    escapes = (b"", b"\x0f", b"\x0f\x38", b"\x0f\x3a")
    prefixes = (b"", b"\x66", b"\xf3", b"\xf2")
    for escape, opcode, prefix, rex in product(escapes, range(256), prefixes, (b"", b"\x48")):
        for extension in range(8):
            head = prefix + rex + escape + bytes([opcode, 0xC2 | extension << 3])
            encoding = decode(head + bytes(8))
            if encoding is None or encoding.modrm < 0 or encoding.immediate_size != 1:
                continue
            yield from (head + bytes([value]) for value in values)


def _classify(raw: bytes, encoding: Encoding, found: dict[str, Form], examples: int) -> Form | None:
    instruction = next(_disassembler().disasm(raw, 0), None)
    if instruction is None or instruction.size != len(raw):
        return None
    kinds: list[str] = []
    memory: MemoryOperand | None = None
    registers: list[int] = []
    for operand in instruction.operands:
        match operand.type:
            case x86.X86_OP_REG:
                kinds.append(_register_kind(instruction.reg_name(operand.reg), operand.size))
                registers.append(operand.reg)
            case x86.X86_OP_IMM:
                kinds.append(f"i{encoding.immediate_size * 8 or 1}")
            case _:
                memory = _memory(instruction, operand, encoding)
                kinds.append(_memory_kind(memory, registers))
    if len(registers) > len(set(registers)):
        kinds.append("same")
    prefixes = (encoding.prefixes + (bytes([encoding.rex]) if encoding.rex else b"")).hex()
    refused = lift(raw, CODE).refused
    key = (
        f"{instruction.mnemonic} {', '.join(kinds)} "
        f"[{prefixes + ' ' if prefixes else ''}{encoding.map.name} {encoding.opcode:02x}]"
        f"{'' if refused is None else ' ' + refused.reason.name}"
    )
    form = found.get(key)
    if form is None:
        form = found[key] = Form(key, refused=refused)
    if len(form.examples) < examples:
        text = f"{instruction.mnemonic} {instruction.op_str}"
        form.examples.append(Example(raw, text, encoding, memory, _runnable(raw, encoding)))
    return form


def _register_kind(name: str, size: int) -> str:
    if name in ("ah", "bh", "ch", "dh"):
        return "rh"
    return "x" if name.startswith("xmm") else f"r{size * 8}" if name in _GPR_NUMBER else name


def _memory(instruction: capstone.CsInsn, operand: x86.X86Op, encoding: Encoding) -> MemoryOperand:
    def number(register: int) -> int:
        return _GPR_NUMBER.get(instruction.reg_name(register) or "", -1)

    mem = operand.mem
    return MemoryOperand(
        number(mem.base), number(mem.index), mem.scale, mem.disp, encoding.is_rip_relative,
        0x64 in encoding.prefixes, operand.size,
    )  # fmt: skip


def _memory_kind(memory: MemoryOperand, registers: Sequence[int]) -> str:
    del registers
    shape = (
        "p" if memory.rip_relative else ("b" if memory.base >= 0 else "") + ("x" if memory.index >= 0 else "")
    )
    if memory.base == 4:
        shape = shape.replace("b", "s")
    return f"m{8 * memory.size}{shape}{'f' if memory.fs else ''}"


def _runnable(raw: bytes, encoding: Encoding) -> bytes:
    at, size = encoding.moves_at, encoding.moves_size
    if not size:
        return raw
    if encoding.modrm >= 0:
        distance = DATA + WINDOW // 2 - (CODE + len(raw))
        return raw[:at] + struct.pack("<i", distance) + raw[at + 4 :]
    return raw[:at] + len(_SKIPPED).to_bytes(size, "little") + raw[at + size :] + _SKIPPED


# States.

_EDGES_64 = np.array(
    [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
     0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001,
     0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFF80, 0xFFFFFFFFFFFF8000, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF,
     0x5555555555555555, 0xAAAAAAAAAAAAAAAA, 0x8080808080808080, 0x7F7F7F7F7F7F7F7F, 0x8000800080008000],
    np.uint64,
)  # fmt: skip
_EDGES_F64 = np.array(
    [0, 1 << 63, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
     0xFFF0000000000000, 0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0xFFF4000000000123,
     0x7FF8DEAD0000BEEF, 0x3FF0000000000000, 0xBFF0000000000000, 0x3FE0000000000000, 0x3FF8000000000000,
     0x4004000000000000, 0x41DFFFFFFFC00000, 0x41E0000000000000, 0xC1E0000000000000, 0xC1E0000000200000,
     0x43DFFFFFFFFFFFFF, 0x43E0000000000000, 0xC3E0000000000000, 0x47EFFFFFE0000000, 0x47EFFFFFF0000000,
     0x3690000000000000, 0x36A0000000000000, 0x380FFFFFC0000000, 0x3FB999999999999A, 0x400921FB54442D18],
    np.uint64,
)  # fmt: skip
_EDGES_F32 = np.array(
    [0, 0x80000000, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000,
     0x7F800001, 0xFFA00123, 0x7FC0BEEF, 0x3F800000, 0xBF800000, 0x3F000000, 0x3FC00000, 0x40200000, 0x4EFFFFFF,
     0x4F000000, 0xCF000000, 0xCF000001, 0x5EFFFFFF, 0x5F000000, 0xDF000000, 0x3DCCCCCD, 0x40490FDB, 0x3F800001],
    np.uint32,
)  # fmt: skip


def _general_values(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """A third edges, a third small, a third anything."""
    anything = rng.integers(0, 1 << 64, shape, np.uint64, endpoint=False)
    edges = rng.choice(_EDGES_64, shape)
    small = (rng.integers(-40, 300, shape)).astype(np.int64).view(np.uint64)
    kind = rng.integers(0, 3, shape)
    return np.where(kind == 0, anything, np.where(kind == 1, edges, small))


def _vector_values(rng: np.random.Generator, count: int, width: int) -> NDArray[np.uint64]:
    """``(count, width, 2)`` halves: doubles, floats, integers and anything, edges among them. Each row is of one kind,
    so that operands meet their like."""
    shape = (count, width, 2)
    anything = rng.integers(0, 1 << 64, shape, np.uint64, endpoint=False)
    doubles = np.where(
        rng.random(shape) < 0.6,
        rng.choice(_EDGES_F64, shape),
        (rng.standard_normal(shape) * 1e3).view(np.uint64),
    )
    wide = (count, width, 4)
    scaled = (rng.standard_normal(wide) * 100).astype(np.float32).view(np.uint32)
    singles = np.where(rng.random(wide) < 0.6, rng.choice(_EDGES_F32, wide), scaled)
    integers = rng.choice(_EDGES_64, shape)
    rows = rng.integers(0, 4, (count, 1, 1))
    floats = np.ascontiguousarray(singles.astype(np.uint32)).view(np.uint64)
    return np.select([rows == 0, rows == 1, rows == 2], [doubles, floats, integers], anything)


def states(example: Example, count: int, seed: int) -> StateBatch:
    """``count`` states in which the example's memory operand, if any, lies in a window."""
    rng = np.random.default_rng([seed, *example.raw])
    gpr = _general_values(rng, (count, 16))
    xmm = _vector_values(rng, count, 17)
    data = np.frombuffer(rng.bytes(count * WINDOW), np.uint8).reshape(count, WINDOW).copy()
    stack = np.frombuffer(rng.bytes(count * WINDOW), np.uint8).reshape(count, WINDOW).copy()
    targets = (DATA + WINDOW // 2 + rng.integers(-64, 64, count)).astype(np.uint64)
    gpr[:, 4] = (STACK + WINDOW // 2 + 8 * rng.integers(-16, 16, count)).astype(np.uint64)
    if _wants_alignment(example):
        targets &= np.uint64(0xFFFF_FFFF_FFFF_FFF0)
    fs_base = _shape_operands(example, rng, gpr, targets)
    if example.memory is not None:
        if example.memory.rip_relative or example.memory.fs:
            targets[:] = DATA + WINDOW // 2
        values = xmm[:, 16].copy().view(np.uint8).reshape(count, 16)
        _put(data, targets - np.uint64(DATA), values)
        _put(stack, (gpr[:, 4] - np.uint64(STACK)), values)
    _shape_control(example, gpr, data, stack, targets)
    bits = list(FLAG_BITS.values())
    flags = np.zeros(count, np.uint64)
    for bit in bits:
        if bit != FLAG_BITS["df"]:
            flags |= np.where(rng.random(count) < 0.5, np.uint64(bit), np.uint64(0))
    windows = (Window(DATA, data), Window(STACK, stack))
    return StateBatch(gpr, np.ascontiguousarray(xmm[:, :16]), flags, windows, fs_base=fs_base)


def _wants_alignment(example: Example) -> bool:
    """True for 16-byte operands that fault where they are not aligned: all but MOVUPS, MOVDQU and LDDQU."""
    encoding = example.encoding
    free = encoding.opcode in (0x10, 0x11) or (encoding.opcode in (0x6F, 0x7F) and encoding.mandatory == 0xF3)
    return example.memory is not None and example.memory.size == 16 and not free and encoding.opcode != 0xF0


def _put(window: NDArray[np.uint8], offsets: NDArray[np.uint64], values: NDArray[np.uint8]) -> None:
    """Write one value in each row, where its offset lies in the window."""
    inside = offsets <= np.uint64(WINDOW - values.shape[1])
    rows = np.flatnonzero(inside)[:, None]
    columns = offsets[inside].astype(np.int64)[:, None] + np.arange(values.shape[1])
    window[rows, columns] = values[inside]


def _shape_operands(
    example: Example, rng: np.random.Generator, gpr: NDArray[np.uint64], targets: NDArray[np.uint64]
) -> int:
    """Make addresses fall into the window, and dividends and counts make sense; returns the base of ``fs``."""
    count = len(gpr)
    encoding, memory = example.encoding, example.memory
    opcode, one = encoding.opcode, encoding.map == 0
    if one and 0xA4 <= opcode <= 0xAF and opcode not in (0xA8, 0xA9):
        gpr[:, 6] = targets
        gpr[:, 7] = (DATA + WINDOW // 2 + rng.integers(-256, 256, count)).astype(np.uint64)
        gpr[:, 1] = rng.integers(0, 40, count).astype(np.uint64)
        return 0
    if one and opcode in (0xF6, 0xF7) and encoding.extension >= 6:
        _sensible_dividends(rng, gpr, encoding.operand_size if opcode & 1 else 1)
    if one and opcode == 0xC9:
        gpr[:, 5] = (STACK + WINDOW // 2 + 8 * rng.integers(-16, 16, count)).astype(np.uint64)
    bit_string = encoding.map == 1 and opcode in (0xA3, 0xAB, 0xB3, 0xBB) and not encoding.is_register
    if bit_string:
        offsets = rng.integers(-2000, 2000, count).astype(np.int64).view(np.uint64)
        gpr[:, encoding.reg] = offsets
    if memory is None or memory.rip_relative:
        return 0
    return _place(memory, gpr, targets, rng)


def _place(
    memory: MemoryOperand, gpr: NDArray[np.uint64], targets: NDArray[np.uint64], rng: np.random.Generator
) -> int:
    """Choose base, index or segment base so that the address is ``targets`` (or as near as a scale allows)."""
    displacement = np.uint64(memory.displacement & 0xFFFF_FFFF_FFFF_FFFF)
    scale = np.uint64(memory.scale)
    if memory.fs:
        if memory.base >= 0:
            gpr[:, memory.base] = (rng.integers(0, 64, len(gpr)) * 16).astype(np.uint64)
        if memory.index >= 0:
            gpr[:, memory.index] = rng.integers(0, 64, len(gpr)).astype(np.uint64)
        return (DATA + WINDOW // 2 - memory.displacement) & ((1 << 47) - 1)
    if memory.base < 0:
        if memory.index >= 0:
            gpr[:, memory.index] = (targets - displacement) // scale
        return 0
    if memory.base == memory.index:
        gpr[:, memory.base] = (targets - displacement) // (scale + np.uint64(1))
        return 0
    index = gpr[:, memory.index] * scale if memory.index >= 0 else np.uint64(0)
    if memory.base == 4:
        # The stack pointer stays in its window; a wild index is made small.
        if memory.index >= 0:
            gpr[:, memory.index] = rng.integers(0, 64, len(gpr)).astype(np.uint64)
        room = np.uint64(WINDOW // 2)
        if abs(memory.displacement) > WINDOW // 4:
            gpr[:, 4] = np.uint64(STACK) + room - displacement
        if memory.size == 16:
            if memory.index >= 0:
                gpr[:, memory.index] &= np.uint64(0x30)
            gpr[:, 4] = (gpr[:, 4] & np.uint64(0xFFFF_FFFF_FFFF_FFF0)) - (displacement & np.uint64(15))
        return 0
    gpr[:, memory.base] = targets - displacement - index
    return 0


def _sensible_dividends(rng: np.random.Generator, gpr: NDArray[np.uint64], size: int) -> None:
    """In two thirds of the states the upper half of the dividend is zero, or the sign of the lower."""
    kind = rng.integers(0, 3, len(gpr))
    if size == 1:
        low = gpr[:, 0] & np.uint64(0xFF)
        high = np.where(low & np.uint64(0x80), np.uint64(0xFF00), np.uint64(0))
        kept = gpr[:, 0] & np.uint64(0xFFFFFFFFFFFF00FF)
        gpr[:, 0] = np.where(kind == 0, gpr[:, 0], np.where(kind == 1, kept, kept | high))
        return
    negative = gpr[:, 0] >> np.uint64(8 * size - 1) & np.uint64(1)
    sign = np.where(negative == 1, np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0))
    gpr[:, 2] = np.where(kind == 0, gpr[:, 2], np.where(kind == 1, np.uint64(0), sign))


def _shape_control(
    example: Example,
    gpr: NDArray[np.uint64],
    data: NDArray[np.uint8],
    stack: NDArray[np.uint8],
    targets: NDArray[np.uint64],
) -> None:
    """Let indirect jumps, calls and returns go to the end of the code."""
    encoding = example.encoding
    end = np.tile(np.frombuffer(struct.pack("<Q", example.end), np.uint8), (len(gpr), 1))
    if encoding.map != 0:
        return
    if encoding.opcode in (0xC2, 0xC3):
        _put(stack, gpr[:, 4] - np.uint64(STACK), end)
    if encoding.opcode == 0xFF and encoding.extension in (2, 4):
        if encoding.is_register:
            gpr[:, encoding.rm] = example.end
        elif example.memory is not None and example.memory.fs:
            gpr[:, max(example.memory.base, 0)] = 0
            _put(data, targets - np.uint64(DATA), end)
        elif example.memory is not None and example.memory.base == 4:
            offset = gpr[:, 4] + np.uint64(example.memory.displacement & (1 << 64) - 1) - np.uint64(STACK)
            if example.memory.index >= 0:
                offset = offset + gpr[:, example.memory.index] * np.uint64(example.memory.scale)
            _put(stack, offset, end)
        else:
            memory = example.memory
            if memory is not None and memory.base < 0 <= memory.index:
                base = gpr[:, memory.index] * np.uint64(memory.scale)
                targets = base + np.uint64(memory.displacement & (1 << 64) - 1)
            _put(data, targets - np.uint64(DATA), end)


# The processor, and the comparison.


def expected(executor: Executor, example: Example, batch: StateBatch) -> BatchResult:
    """What the processor makes of the states."""
    return executor.run_batch(example.code, batch, Placement(address=CODE))


def state_of(batch: StateBatch, index: int) -> MachineState:
    """One state of a batch."""
    xmm = tuple(int(low) | int(high) << 64 for low, high in batch.xmm[index])
    memory = tuple(MemoryRegion(w.address, w.contents[index].tobytes()) for w in batch.windows)
    gpr = tuple(int(value) for value in batch.gpr[index])
    return MachineState(gpr, xmm, int(batch.flags[index]), memory=memory, fs_base=batch.fs_base)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A state on which a meaning and the processor differ."""

    example: Example
    index: int
    text: str

    def __str__(self) -> str:
        return f"{self.example.text} ({self.example.raw.hex(' ')}), state {self.index}: {self.text}"


Meaning = Callable[[Example, MachineState], Outcome]


def disagreements(
    example: Example, batch: StateBatch, result: BatchResult, meaning: Meaning, *, nan_payloads: bool = True
) -> list[Disagreement]:
    """Where ``meaning`` and the processor differ in a register, a defined flag, memory, or how execution ended.
    Without ``nan_payloads`` any two NaNs in a lane of a vector register are alike."""
    found: list[Disagreement] = []
    for index in range(len(batch)):
        state = state_of(batch, index)
        text = _difference(example, state, result, index, meaning(example, state), nan_payloads)
        if text:
            found.append(Disagreement(example, index, text))
    return found


def _difference(
    example: Example, before: MachineState, result: BatchResult, index: int, got: Outcome, nan_payloads: bool
) -> str:
    stop = result.stop(index)
    match got:
        case Finished(after):
            if stop is not None:
                return f"the processor stopped: {stop}"
            return states_differ(example, before, after, result, index, nan_payloads)
        case Faulted():
            same = isinstance(stop, Faulted) and (stop.signal, stop.address) == (got.signal, got.address)
            return "" if same else f"{got}, the processor: {stop or 'finished'}"
        case TimedOut() | SystemCall():
            return f"{got}, the processor: {stop or 'finished'}"


def states_differ(
    example: Example,
    before: MachineState,
    after: MachineState,
    result: BatchResult,
    index: int,
    nan_payloads: bool,
) -> str:
    wrong: list[str] = []
    for number in range(16):
        want = int(result.gpr[index, number])
        if (want ^ after.gpr[number]) & _defined_bits(example, after, number):
            wrong.append(f"gpr {number}: {after.gpr[number]:#x}, processor {want:#x}")
    for number in range(16):
        low, high = (int(half) for half in result.xmm[index, number])
        want = low | high << 64
        if want != after.xmm[number] and (nan_payloads or not _alike(want, after.xmm[number])):
            wrong.append(f"xmm{number}: {after.xmm[number]:#034x}, processor {want:#034x}")
    undefined = undefined_flags(example.raw, before.gpr[1] & 0xFF)
    for name, bit in FLAG_BITS.items():
        if name not in undefined and (after.flags ^ int(result.flags[index])) & bit:
            wrong.append(f"{name}: {int(after.flags & bit != 0)}")
    for region, now in zip(after.memory, result.windows, strict=True):
        if region.data != now[index].tobytes():
            at = next(k for k in range(WINDOW) if region.data[k] != now[index][k])
            wrong.append(f"memory at {region.address + at:#x}")
    return "; ".join(wrong)


def _defined_bits(example: Example, after: MachineState, number: int) -> int:
    """All, but the upper half of what a 32-bit BSF or BSR of zero leaves alone: processors differ there."""
    encoding = example.encoding
    scan = encoding.map == 1 and encoding.opcode in (0xBC, 0xBD) and encoding.mandatory != 0xF3
    if scan and encoding.operand_size == 4 and number == encoding.reg and after.flags & FLAG_BITS["zf"]:
        return 0xFFFF_FFFF
    return 0xFFFF_FFFF_FFFF_FFFF


def _alike(a: int, b: int) -> bool:
    """True where two vectors differ only in the payloads and signs of NaNs, as doubles or as floats."""
    for lane, exponent in ((8, 0x7FF0000000000000), (4, 0x7F800000)):
        bits = 8 * lane
        pairs = [
            (a >> bits * k & (1 << bits) - 1, b >> bits * k & (1 << bits) - 1) for k in range(16 // lane)
        ]
        magnitude = (1 << bits - 1) - 1
        if all(x == y or (x & magnitude > exponent and y & magnitude > exponent) for x, y in pairs):
            return True
    return False


def testable(form: Form) -> bool:
    """True for forms that lift and do not trap."""
    return form.refused is None and not is_trap(form.examples[0].raw)


__all__ = [
    "CODE", "DATA", "STACK", "Disagreement", "Example", "Form", "Status", "disagreements", "expected", "forms",
    "forms_of", "state_of", "states", "states_differ", "sweep", "sweep_immediates",
    "testable",
]  # fmt: skip
