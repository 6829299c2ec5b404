"""The packed table: all of SSE and SSE2 lifts, and stays packed."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest
from elftools.elf.elffile import ELFFile

from burnish.core.code import Instruction
from burnish.core.pcode import OpCode, Space
from burnish.machine.lift import lift_all

TWO_OPERANDS = """
addpd addps addsd addss andnpd andnps andpd andps cvtdq2pd cvtdq2ps cvtpd2dq cvtpd2ps cvtps2dq cvtps2pd
cvtsd2ss cvtss2sd cvttpd2dq cvttps2dq divpd divps divsd divss maxpd maxps maxsd maxss minpd minps minsd
minss movapd movaps movdqa movdqu movq movsd movss movupd movups mulpd mulps mulsd mulss orpd orps packssdw packsswb
packuswb paddb paddd paddq paddsb paddsw paddusb paddusw paddw pand pandn pavgb pavgw pcmpeqb pcmpeqd pcmpeqw
pcmpgtb pcmpgtd pcmpgtw pmaddwd pmaxsw pmaxub pminsw pminub pmulhuw pmulhw pmullw pmuludq por psadbw pslld psllq psllw
psrad psraw psrld psrlq psrlw psubb psubd psubq psubsb psubsw psubusb psubusw psubw punpckhbw punpckhdq punpckhqdq
punpckhwd punpcklbw punpckldq punpcklqdq punpcklwd pxor sqrtpd sqrtps sqrtsd sqrtss subpd subps subsd subss ucomisd
ucomiss comisd comiss unpckhpd unpckhps unpcklpd unpcklps xorpd xorps cmpeqps cmpltps cmpleps cmpunordps cmpneqps
cmpnltps cmpnleps cmpordps cmpeqpd cmpltpd cmplesd cmpunordss cmpneqpd cmpnltsd cmpnless cmpordpd
"""
WITH_IMMEDIATE = ("pshufd", "pshufhw", "pshuflw", "shufpd", "shufps")
OTHERS = """
psllw xmm1, 3; pslld xmm1, 3; psllq xmm1, 3; psrlw xmm1, 3; psrld xmm1, 3; psrlq xmm1, 3; psraw xmm1, 3
psrad xmm1, 3; pslldq xmm1, 3; psrldq xmm1, 3; pmovmskb eax, xmm1; movmskps eax, xmm1; movmskpd eax, xmm1
pinsrw xmm1, eax, 3; pextrw eax, xmm1, 3; movd xmm1, eax; movq xmm1, rax; movd eax, xmm1; movq rax, xmm1
movhlps xmm1, xmm2; movlhps xmm1, xmm2; movhps xmm1, [rbx]; movlps xmm1, [rbx]; movhpd [rbx], xmm1
movlpd [rbx], xmm1; movntps [rbx], xmm1; movntpd [rbx], xmm1; movntdq [rbx], xmm1; movnti [rbx], eax
cvtsi2sd xmm1, eax; cvtsi2sd xmm1, rax; cvtsi2ss xmm1, eax; cvtsi2ss xmm1, rax; cvttsd2si eax, xmm1
cvttsd2si rax, xmm1; cvtsd2si eax, xmm1; cvttss2si eax, xmm1; cvtss2si rax, xmm1; movaps [rbx], xmm1
movups [rbx], xmm1; movdqu [rbx], xmm1; movsd [rbx], xmm1; movss [rbx], xmm1
"""


@cache
def lifted() -> list[tuple[str, Instruction]]:
    """Each instruction's text, and its lifted form."""
    if which("as") is None:
        pytest.skip("binutils is not installed")
    lines: list[str] = []
    for name in TWO_OPERANDS.split():
        lines += [f"{name} xmm1, xmm2", f"{name} xmm1, xmm1", f"{name} xmm9, [rbx + rcx*4 + 16]"]
    for name in WITH_IMMEDIATE:
        lines += [f"{name} xmm1, xmm2, 0x1b", f"{name} xmm1, [rip + 64], 0x72"]
    lines += [line.strip() for line in OTHERS.strip().replace("\n", ";").split(";")]
    return list(zip(lines, lift_all(_assemble(lines), 0x1000), strict=True))


def _assemble(lines: list[str]) -> bytes:
    source = ".intel_syntax noprefix\n" + "\n".join(lines) + "\n"
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.o")
        subprocess.run(["as", "-o", str(path), "-"], input=source.encode(), check=True)
        with path.open("rb") as stream:
            return ELFFile(stream).get_section_by_name(".text").data()


def test_all_of_sse_and_sse2_lifts() -> None:
    refused = [f"{text}: {i.refused}" for text, i in lifted() if i.refused is not None]
    assert refused == []


def test_nothing_is_torn_into_lanes() -> None:
    """Sixteen bytes are moved, and combined lane by lane, as one value: no operation works on an inner lane of a
    vector register on its own, but for the halves that MOVHPS and its like address."""
    for text, instruction in lifted():
        for op in instruction.operations:
            for node in (*op.inputs, *([op.output] if op.output else [])):
                if node.space is Space.REGISTER and node.offset >= 0x1200 and node.size < 16:
                    inner = (node.offset - 0x1200) % 0x40
                    assert inner == 0 or inner == 8 or text.startswith("pextrw"), f"{text}: {op}"
        assert len(instruction.operations) <= 17, text


def test_a_packed_operand_in_memory_is_one_load_of_its_size() -> None:
    sizes = {
        "movss": 4, "movsd": 8, "movq": 8, "addss": 4, "addsd": 8, "cvtps2pd": 8, "cvtdq2pd": 8, "cvtss2sd": 4,
        "ucomiss": 4, "comisd": 8, "addps": 16, "pxor": 16, "movdqu": 16, "psllw": 16, "sqrtss": 4, "cmplesd": 8,
    }  # fmt: skip
    for text, instruction in lifted():
        name = text.split()[0]
        if "[rbx + rcx" in text and name in sizes:
            loads = [op for op in instruction.operations if op.opcode is OpCode.LOAD]
            inputs = [op for op in instruction.operations if op.opcode is OpCode.COPY and not loads]
            assert inputs == []
            assert [op.output.size for op in loads if op.output] == [sizes[name]], text


@pytest.mark.parametrize(
    "text", ["pxor xmm1, xmm1", "xorps xmm1, xmm1", "psubd xmm1, xmm1", "pcmpeqd xmm1, xmm1"]
)
def test_idioms_for_constants_read_nothing(text: str) -> None:
    (operation,) = dict(lifted())[text].operations
    assert operation.opcode is OpCode.COPY
    assert operation.inputs[0].space is Space.CONST
