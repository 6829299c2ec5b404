"""The lifter: addresses, memory operands, calls, refusals."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import capstone
import pytest
from capstone import x86
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.code import Instruction, Reason
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.images import load
from burnish.machine.encoding import decode
from burnish.machine.lift import lift, lift_all
from burnish.machine.refusals import is_trap
from burnish.machine.registers import cell_of, gpr

LIBRARIES = [Path("/lib/x86_64-linux-gnu") / name for name in ("libz.so.1", "libbz2.so.1.0")]
JUMPS = (OpCode.BRANCH, OpCode.CBRANCH, OpCode.CALL)


def lifted(text: str, address: int = 0x1000) -> Instruction:
    return lift(bytes.fromhex(text), address)


def opcodes(text: str) -> list[OpCode]:
    return [op.opcode for op in lifted(text).operations]


@cache
def library_code() -> list[tuple[int, bytes]]:
    """Address and bytes of every function of the libraries."""
    found: list[tuple[int, bytes]] = []
    for path in LIBRARIES:
        if not path.exists():
            pytest.skip(f"{path} is not installed")
        image = load(path)
        found += [(b.address, image.read(b.address, b.size) or b"") for b in image.functions]
    return found


def test_every_lifted_instruction_keeps_the_rules() -> None:
    """No jump inside an instruction, no ``ram`` operand, temporaries written before they are read and never in part,
    only registers that are modelled."""
    count = 0
    for address, code in library_code():
        for instruction in lift_all(code, address):
            written: dict[int, int] = {}
            for k, op in enumerate(instruction.operations):
                count += 1
                if op.opcode in JUMPS:
                    assert k == len(instruction.operations) - 1
                    assert op.inputs[0].space is Space.RAM
                _check_nodes(op, written)
    assert count > 50_000


def _check_nodes(op: Operation, written: dict[int, int]) -> None:
    for node in op.inputs[1:] if op.opcode in JUMPS else op.inputs:
        if node.space is Space.UNIQUE:
            assert written.get(node.offset, 0) >= node.size, f"{op} reads what was not written"
        assert node.space is not Space.RAM
        assert node.space is not Space.REGISTER or cell_of(node) is not None or node.offset == 0x110, op
    output = op.output
    if output is not None and output.space is Space.UNIQUE:
        for start, size in written.items():
            apart = start + size <= output.offset or output.offset + output.size <= start
            assert apart or (start, size) == (output.offset, output.size), op
        written[output.offset] = output.size
    elif output is not None:
        assert output.space is Space.REGISTER
        assert cell_of(output) is not None, op


def test_fixed_addresses_are_those_of_capstone() -> None:
    """Rip-relative operands and branch targets, of code that was lifted as templates."""
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    checked = 0
    for address, code in library_code()[::3]:
        by_address = {i.address: i for i in lift_all(code, address)}
        for want in engine.disasm(code, address):
            instruction = by_address[want.address]
            for operand in want.operands:
                if (
                    operand.type == x86.X86_OP_MEM
                    and operand.mem.base == x86.X86_REG_RIP
                    and want.id != x86.X86_INS_NOP
                ):
                    target = want.address + want.size + operand.mem.disp
                    used = {op.inputs[0] for op in instruction.operations if op.inputs}
                    assert Varnode(Space.CONST, target, 8) in used, want
                    checked += 1
            if want.group(x86.X86_GRP_BRANCH_RELATIVE):
                assert instruction.operations[-1].inputs[0].offset == want.operands[0].imm, want
                checked += 1
    assert checked > 1000


def test_one_access_for_each_memory_operand() -> None:
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    seen: set[bytes] = set()
    for address, code in library_code():
        for instruction in lift_all(code, address):
            raw = code[instruction.address - address : instruction.end - address]
            if raw in seen:
                continue
            seen.add(raw)
            names = [op.opcode for op in instruction.operations]
            if names.count(OpCode.LOAD) > 1 or names.count(OpCode.STORE) > 1:
                text = next(engine.disasm(raw, 0))
                assert text.mnemonic in ("cmpsb", "cmpsw", "cmpsd", "cmpsq"), f"{text.mnemonic} {text.op_str}"
    assert len(seen) > 3000


def test_an_address_is_told_from_a_number() -> None:
    (lea,) = lifted("48 8d 05 10 00 00 00").operations
    assert lea == Operation(OpCode.ADDRESS, gpr("rax"), (Varnode(Space.CONST, 0x1017, 8),))
    (mov,) = lifted("48 c7 c0 17 10 00 00").operations
    assert mov == Operation(OpCode.COPY, gpr("rax"), (Varnode(Space.CONST, 0x1017, 8),))


def test_a_short_lea_of_a_fixed_place_is_an_address_first() -> None:
    assert opcodes("8d 05 10 00 00 00") == [OpCode.ADDRESS, OpCode.SUBPIECE, OpCode.INT_ZEXT]


@pytest.mark.parametrize("text", ["e8 00 01 00 00", "ff d0", "ff 15 00 01 00 00"])
def test_a_call_leaves_the_push_of_its_return_address_implied(text: str) -> None:
    operations = lifted(text).operations
    assert operations[-1].opcode in (OpCode.CALL, OpCode.CALLIND)
    assert all(op.output != gpr("rsp") and op.opcode is not OpCode.STORE for op in operations)


@pytest.mark.parametrize("text", ["c3", "f3 c3", "f2 c3", "c2 00 00"])
def test_a_return_is_one_operation(text: str) -> None:
    assert lifted(text).operations == (Operation(OpCode.RETURN, None, ()),)


@pytest.mark.parametrize("text", ["90", "66 90", "0f 1f 84 00 00 00 00 00", "66 2e 0f 1f 84 00 00 00 00 00",
                                  "f3 0f 1e fa", "0f 18 08", "0f 0d 08", "0f 0b", "f4", "cc"])  # fmt: skip
def test_what_does_nothing_has_no_operations(text: str) -> None:
    instruction = lifted(text)
    assert instruction.operations == ()
    assert instruction.refused is None


def test_exchanging_rax_with_r8_is_no_nop() -> None:
    assert gpr("r8") in [op.output for op in lifted("49 90").operations]


@pytest.mark.parametrize("text", ["0f 0b", "0f b9 c0", "0f ff c0", "cc", "f4", "66 cc"])
def test_traps_are_known(text: str) -> None:
    assert is_trap(bytes.fromhex(text))


@pytest.mark.parametrize("text", ["0f 05", "c3", "0f 1f 00", "90", ""])
def test_other_bytes_are_no_traps(text: str) -> None:
    assert not is_trap(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0f 05", Reason.SYSTEM), ("cd 80", Reason.SYSTEM), ("0f a2", Reason.SYSTEM), ("0f 31", Reason.SYSTEM),
        ("ec", Reason.SYSTEM), ("ff 28", Reason.SYSTEM), ("cb", Reason.SYSTEM), ("0f c7 f0", Reason.SYSTEM),
        ("f0 01 03", Reason.ATOMIC), ("87 03", Reason.ATOMIC), ("0f b1 0b", Reason.ATOMIC), ("f3 90", Reason.ATOMIC),
        ("0f ae f0", Reason.ATOMIC), ("0f ae f8", Reason.ATOMIC),
        ("d9 c0", Reason.X87), ("0f 6f c1", Reason.X87), ("0f 77", Reason.X87), ("f2 0f d6 c1", Reason.X87),
        ("c5 f8 58 c1", Reason.AVX), ("62 f1 7c 48 58 c1", Reason.AVX), ("c4 e2 71 98 c2", Reason.AVX),
        ("65 48 8b 04 25 28 00 00 00", Reason.SEGMENT),
        ("0f ae 13", Reason.CONTROL_STATE), ("0f ae 1b", Reason.CONTROL_STATE), ("fd", Reason.CONTROL_STATE),
        ("9c", Reason.CONTROL_STATE), ("9f", Reason.CONTROL_STATE),
        ("c2 08 00", Reason.CONVENTION),
        ("66 0f 38 00 c1", Reason.NO_MEANING), ("0f 53 c1", Reason.NO_MEANING), ("66 0f 38 dc c1", Reason.NO_MEANING),
        ("f2 ae", Reason.NO_MEANING), ("f3 a6", Reason.NO_MEANING), ("66 0f a4 c3 05", Reason.NO_MEANING),
        ("c1 d0 03", Reason.NO_MEANING), ("66 e8 00 00", Reason.NO_MEANING), ("66 0f c8", Reason.NO_MEANING),
        ("64 48 8b 05 10 00 00 00", Reason.NO_MEANING), ("67 48 8b 05 10 00 00 00", Reason.NO_MEANING),
        ("06", Reason.UNKNOWN_BYTES), ("48", Reason.UNKNOWN_BYTES),
    ],
)  # fmt: skip
def test_refusals_say_why(text: str, reason: Reason) -> None:
    refused = lifted(text).refused
    assert refused is not None
    assert (refused.reason, refused.address) == (reason, 0x1000)


@pytest.mark.parametrize(
    "text", ["64 48 8b 04 25 28 00 00 00", "64 89 03", "87 c3", "66 66 48 e8 00 00 00 00"]
)
def test_what_looks_like_them_lifts(text: str) -> None:
    assert lifted(text).refused is None


def test_a_stream_ends_at_what_does_not_decode() -> None:
    code = bytes.fromhex("89 c3 0f 05 06 90")
    found = lift_all(code, 0x1000)
    assert [(i.address, i.size) for i in found] == [(0x1000, 2), (0x1002, 2), (0x1004, 1)]
    assert lift_all(code, 0x1000, limit=1) == found[:1]


@given(st.binary(max_size=20), st.integers(0, (1 << 47) - 1))
@settings(max_examples=600, deadline=None)
def test_no_bytes_make_it_raise(code: bytes, address: int) -> None:
    instruction = lift(code, address)
    assert instruction.size >= 1
    assert instruction.refused is not None or decode(code) is not None
    if instruction.refused is not None:
        assert instruction.operations == ()
