"""BMI1 and BMI2: decoding their VEX prefix, what is refused, undefined flags. Meanings are held against the processor
in ``tests/domains/test_cosimulation.py``."""

from __future__ import annotations

from itertools import islice

import capstone
import pytest

from burnish.core.code import Instruction, Reason
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.machine.encoding import Map, Vex, decode
from burnish.machine.flags import undefined_flags
from burnish.machine.lift import lift
from burnish.machine.registers import GPR_NAMES, gpr
from cosim_forms import sweep_vex

LIFTING = frozenset(
    ["andn", "blsr", "blsmsk", "blsi", "bextr", "bzhi", "shlx", "shrx", "sarx", "rorx", "mulx"]
)


def lifted(text: str, address: int = 0x1000) -> Instruction:
    return lift(bytes.fromhex(text), address)


def _engine() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    return engine


def test_shapes_and_refusals_are_those_of_capstone() -> None:
    """A sample of all encodings. What capstone names as one of the eleven has the same length and displacement here,
    and lifts, but for addresses relative to ``eip`` or to ``rip`` and ``fs``; nothing else lifts."""
    engine = _engine()
    seen: set[str] = set()
    for code in islice(sweep_vex(), 0, None, 7):
        want = next(engine.disasm(code + bytes(4), 0), None)
        encoding, instruction = decode(code), lift(code, 0)
        if want is None or want.mnemonic not in LIFTING:
            assert instruction.refused is not None, code.hex(" ")
            continue
        text = f"{code.hex(' ')}: {want.mnemonic} {want.op_str}"
        assert encoding is not None, text
        assert encoding.size == want.size, text
        if want.disp_size:
            at = want.disp_offset
            moving = (at, 4) if encoding.is_rip_relative else (0, 0)
            assert (encoding.moves_at, encoding.moves_size) == moving, text
            assert encoding.displacement == want.disp, text
        relative = encoding.is_rip_relative and encoding.prefixes != b""
        assert (instruction.refused is not None) == relative, text
        seen.add(want.mnemonic)
    assert seen == LIFTING


def test_destinations_are_those_of_capstone() -> None:
    """Which general registers the operations write, low and high ones, against the disassembler's word."""
    engine = _engine()
    checked = 0
    for code in islice(sweep_vex(), 0, None, 5):
        instruction = lift(code, 0)
        if instruction.refused is not None:
            continue
        want = next(engine.disasm(code, 0))
        written = {engine.reg_name(number) for number in want.regs_access()[1]} - {"rflags"}
        offsets = {gpr(name).offset for name in GPR_NAMES}
        outputs = [op.output for op in instruction.operations if op.output is not None]
        general = [node for node in outputs if node.space is Space.REGISTER and node.offset in offsets]
        assert {node.offset for node in general} == {gpr(_full(name)).offset for name in written}, want
        assert all(node.size == 8 for node in general), "a 32-bit result clears the upper half"
        checked += 1
    assert checked > 1000


def _full(name: str) -> str:
    if name.startswith("e"):
        return f"r{name[1:]}"
    return name.removesuffix("d")


def test_the_fields_of_a_vex_prefix() -> None:
    encoding = decode(bytes.fromhex("c4 42 98 f3 0c 24"))  # blsr r12, [r12]: 64 bits, with a SIB byte
    assert encoding is not None
    assert encoding.map is Map.VEX_38
    assert encoding.vex == Vex(source=12, length=0, mandatory=0)
    assert (encoding.extension, encoding.operand_size, encoding.size) == (1, 8, 6)


def test_a_fixed_place_moves_with_the_instruction_and_an_immediate_follows_it() -> None:
    code = bytes.fromhex("c4 e3 fb f0 05 10 00 00 00 3f")  # rorx rax, [rip + 16], 63
    for address in (0x1000, 0x7000):
        instruction = lift(code, address)
        load = next(op for op in instruction.operations if op.opcode is OpCode.LOAD)
        assert load.inputs == (Varnode(Space.CONST, address + 10 + 0x10, 8),)


def test_a_rotation_by_the_width_is_a_move() -> None:
    (move,) = lifted("c4 e3 fb f0 c1 40").operations  # rorx rax, rcx, 64
    assert move == Operation(OpCode.COPY, gpr("rax"), (gpr("rcx"),))
    (short,) = lifted("c4 e3 7b f0 c1 20").operations  # rorx eax, ecx, 32
    assert short == Operation(OpCode.INT_ZEXT, gpr("rax"), (gpr("rcx", 4),))


@pytest.mark.parametrize("name", ["c4 e2 6b f7 c1", "c4 e3 7b f0 c1 05", "c4 c2 73 f6 c0"])
def test_shifts_rotations_and_products_leave_flags_alone(name: str) -> None:
    flags = range(0x200, 0x210)
    outputs = [op.output for op in lifted(name).operations if op.output is not None]
    assert not [node for node in outputs if node.space is Space.REGISTER and node.offset in flags]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("c4 e2 74 f2 c2", Reason.AVX),  # andn with VEX.L = 1: no instruction
        ("c4 e2 71 f2 c2", Reason.AVX),  # andn with a mandatory prefix
        ("c4 e2 78 f3 c1", Reason.AVX),  # the group of blsr has no member 0
        ("c4 e2 78 f3 e1", Reason.AVX),  # nor 4
        ("c4 e3 73 f0 c1 05", Reason.AVX),  # rorx with a third register
        ("c4 e3 7a f0 c1 05", Reason.AVX),  # rorx with another mandatory prefix
        ("66 c4 e2 70 f2 c2", Reason.AVX), ("f0 c4 e2 70 f2 c2", Reason.AVX), ("f3 c4 e2 70 f2 c2", Reason.AVX),
        ("c4 e2 71 98 c2", Reason.AVX),  # vfmadd132ps
        ("c4 e3 71 0f c2 04", Reason.AVX),  # vpalignr
        ("c4 e1 78 58 c1", Reason.AVX), ("8f e9 78 01 c9", Reason.AVX), ("62 f2 70 08 f2 c2", Reason.AVX),
        ("c4 e2 73 f5 c2", Reason.NO_MEANING), ("c4 e2 72 f5 c2", Reason.NO_MEANING),  # pdep, pext
        ("65 c4 e2 70 f2 02", Reason.SEGMENT), ("67 c4 e2 70 f2 05 00 00 00 00", Reason.NO_MEANING),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, reason: Reason) -> None:
    refused = lifted(text).refused
    assert refused is not None
    assert refused.reason is reason
    assert lifted(text).size == len(bytes.fromhex(text))


def test_rex_before_vex_is_no_instruction() -> None:
    assert lifted("48 c4 e2 70 f2 c2").refused is not None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("c4 e2 70 f2 c2", {"af", "pf"}),  # andn
        ("c4 e2 78 f3 c9", {"af", "pf"}),  # blsr
        ("c4 e2 68 f5 c1", {"af", "pf"}),  # bzhi
        ("c4 e2 68 f7 c1", {"af", "pf", "sf"}),  # bextr
        ("c4 e2 69 f7 c1", {"af"}),  # shlx
        ("c4 e3 7b f0 c1 05", {"af"}),  # rorx
        ("c4 c2 73 f6 c0", {"af"}),  # mulx
    ],
)
def test_undefined_flags(text: str, names: set[str]) -> None:
    assert undefined_flags(bytes.fromhex(text)) == names
