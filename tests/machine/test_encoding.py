"""Lengths of instructions, against a disassembler."""

from __future__ import annotations

from pathlib import Path

import capstone
import pytest

from burnish.images import load
from burnish.machine.encoding import Map, decode

LIBRARIES = Path("/lib/x86_64-linux-gnu")


@pytest.mark.parametrize("name", ["libz.so.1", "libbz2.so.1.0", "libm.so.6"])
def test_lengths_are_those_of_capstone(name: str) -> None:
    if not (LIBRARIES / name).exists():
        pytest.skip(f"{name} is not installed")
    image = load(LIBRARIES / name)
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    checked = 0
    for bounds in image.functions[:600]:
        code = image.read(bounds.address, bounds.size) or b""
        for address, size, mnemonic, operands in engine.disasm_lite(code, 0):
            found = decode(code, address)
            assert found is not None, f"{mnemonic} {operands}"
            assert found.size == size, f"{mnemonic} {operands}: {code[address : address + size].hex(' ')}"
            checked += 1
    assert checked > 5000


@pytest.mark.parametrize(
    ("text", "size", "opcode_map"),
    [
        ("f0 48 0f b1 0e", 5, Map.TWO),
        ("66 66 48 e8 00 00 00 00", 8, Map.ONE),
        ("48 b8 88 77 66 55 44 33 22 11", 10, Map.ONE),
        ("66 b8 22 11", 4, Map.ONE),
        ("f6 05 00 00 00 00 01", 7, Map.ONE),
        ("f7 15 00 00 00 00", 6, Map.ONE),
        ("c5 f9 70 c1 1b", 5, Map.VECTOR_EXTENSION),
        ("c4 e2 71 98 c2", 5, Map.VEX_38),
        ("c4 e3 71 0f c2 04", 6, Map.VEX_3A),
        ("c4 e1 78 58 c1", 5, Map.VECTOR_EXTENSION),
        ("62 f1 7c 48 10 40 01", 7, Map.VECTOR_EXTENSION),
        ("c4 e2 40 f2 c6", 5, Map.VEX_38),
        ("c4 e3 7b f0 c7 07", 6, Map.VEX_3A),
        ("66 c4 e2 40 f2 c6", 6, Map.VEX_38),
        ("66 0f 3a 0f c1 08", 6, Map.THREE_3A),
        ("a1 88 77 66 55 44 33 22 11", 9, Map.ONE),
    ],
)
def test_single_encodings(text: str, size: int, opcode_map: Map) -> None:
    code = bytes.fromhex(text)
    found = decode(code)
    assert found is not None
    assert (found.size, found.map) == (size, opcode_map)


@pytest.mark.parametrize(
    "text", ["", "48", "66 66", "0f", "e8 00 00", "48 8b 84 24 00 00", "06", "0f 04", "66 " * 15 + "90"]
)
def test_what_is_no_instruction(text: str) -> None:
    assert decode(bytes.fromhex(text)) is None
