"""Co-simulation, first part: instruction forms, found in images or made from the opcode maps.

A *form* is an instruction apart from its registers, displacement and immediate: opcode, prefixes, and the kind and
size of each operand. Each form keeps a few encodings as examples.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import capstone
from capstone import x86

from burnish.core.code import Refused
from burnish.core.image import Image
from burnish.machine.encoding import Encoding, decode
from burnish.machine.lift import lift
from burnish.machine.refusals import is_trap

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
    for wide in (0x7B, 0xFB):
        yield from (bytes([0xC4, 0xE3, wide, 0xF0, 0xC3, value]) for value in values)


def sweep_vex() -> Iterator[bytes]:
    """Encodings with a VEX prefix of three bytes, of the opcodes among which the general instructions are, and of
    their neighbours: in every map, length and width and with every mandatory prefix, with an address-size or ``fs``
    prefix, low and high registers, for every middle field of ModRM, with a register, memory and a fixed place."""
    inverted = (0x04, 0x0C, 0x0F)
    places = (0xC3, 0x03, 0x05, 0x44)
    for opcode_map, opcode, fields in product((2, 3), range(0xF0, 0xF8), range(16)):
        for prefix, high, source in product((b"", b"\x67", b"\x64"), (0xE0, 0), inverted):
            second = (fields & 8) << 4 | source << 3 | fields & 7
            head = prefix + bytes([0xC4, high | opcode_map, second, opcode])
            for place, middle in product(places, range(8)):
                code = head + bytes([place | middle << 3]) + bytes.fromhex("9300000000")
                encoding = decode(code)
                if encoding is not None:
                    yield code[: encoding.size]


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
                kinds.append(_memory_kind(memory))
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


def _memory_kind(memory: MemoryOperand) -> str:
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


_FLAG_NEEDED = {
    "adcx": "adx", "adox": "adx", "lzcnt": "abm", "movbe": "movbe", "movdiri": "movdiri",
    **dict.fromkeys(("andn", "bextr", "blsi", "blsmsk", "blsr", "tzcnt"), "bmi1"),
    **dict.fromkeys(("bzhi", "mulx", "rorx", "sarx", "shlx", "shrx"), "bmi2"),
}  # fmt: skip
"""Instructions that lift and that x86-64-v2 lacks, with their names in ``/proc/cpuinfo``: where the processor has not
got them it stops, or does something else (``lzcnt`` is ``bsr`` there), and is no judge."""


@cache
def _processor_flags() -> frozenset[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def testable(form: Form) -> bool:
    """True for forms that lift, do not trap, and that this processor has."""
    needed = _FLAG_NEEDED.get(form.examples[0].text.split()[0])
    here = needed is None or needed in _processor_flags()
    return here and form.refused is None and not is_trap(form.examples[0].raw)
