"""Disassembly against objdump's, over a whole library."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from burnish.machine.disassemble import Syntax, disassemble

LIBRARY = Path("/lib/x86_64-linux-gnu/libz.so.1")

needs_library = pytest.mark.skipif(not LIBRARY.exists(), reason="libz is not installed")
needs_objdump = pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")


@pytest.fixture(scope="module")
def text() -> tuple[bytes, int]:
    """The code section of libz and its address."""
    with LIBRARY.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".text")
        return section.data(), section["sh_addr"]


@needs_library
@needs_objdump
@pytest.mark.parametrize("syntax", Syntax, ids=lambda syntax: syntax.value)
def test_every_instruction_of_libz_lies_where_objdump_says(text: tuple[bytes, int], syntax: Syntax) -> None:
    done = subprocess.run(
        ["objdump", "-d", "-w", "--no-show-raw-insn", "-M", syntax.value, "-j", ".text", LIBRARY],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = {
        int(match[1], 16): match[2].split()[0]
        for line in done.stdout.splitlines()
        if (match := re.match(r"\s*([0-9a-f]+):\s+(.*\S)", line))
    }
    ours = {line.address: line.text for line in disassemble(*text, syntax)}
    assert ours.keys() == theirs.keys()
    # Names differ in taste (suffixes, prefixes, no-operations); a branch has one name.
    branches = {a for a, name in theirs.items() if re.fullmatch(r"j\w+|call|ret", name)}
    assert len(branches) > 1000
    wrong = [
        (hex(a), ours[a], theirs[a])
        for a in branches
        if ours[a].split()[0].removesuffix("q") != theirs[a]
        and not ours[a].startswith(("notrack", "bnd", "repz"))
    ]
    # Conditional jumps have synonyms (jc, jb); capstone and objdump agree on these.
    assert not wrong


@needs_library
@needs_objdump
def test_targets_are_those_that_objdump_resolves(text: tuple[bytes, int]) -> None:
    done = subprocess.run(
        ["objdump", "-d", "-w", "--no-show-raw-insn", "-j", ".text", LIBRARY],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs: dict[int, int] = {}
    for line in done.stdout.splitlines():
        where = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
        if where is None:
            continue
        relative = re.search(r"\(%rip\).*# ([0-9a-f]+)", where[2])
        direct = re.match(r"(?:bnd )?(?:j\w+|call)\s+([0-9a-f]+)\b", where[2])
        if found := relative or direct:
            theirs[int(where[1], 16)] = int(found[1], 16)
    ours = {line.address: line.target for line in disassemble(*text) if line.target is not None}
    assert len(theirs) > 2000
    assert ours == theirs


def test_bytes_that_do_not_decode_are_kept() -> None:
    code = bytes.fromhex("90 06 07 c3")  # push %es and pop %es do not exist in 64-bit mode
    lines = disassemble(code, 0x1000)
    assert [line.text for line in lines] == ["nop", ".byte 0x06", ".byte 0x07", "retq"]
    assert b"".join(line.raw for line in lines) == code
    assert [line.address for line in lines] == [0x1000, 0x1001, 0x1002, 0x1003]


def test_an_instruction_cut_short_becomes_bytes() -> None:
    assert [line.text for line in disassemble(bytes.fromhex("c3 e8 00"), 0)] == [
        "retq",
        ".byte 0xe8",
        ".byte 0x00",
    ]


def test_syntaxes_differ() -> None:
    code = bytes.fromhex("488b0510000000")
    assert disassemble(code, 0, Syntax.ATT)[0].text == "movq 0x10(%rip), %rax"
    assert disassemble(code, 0, Syntax.INTEL)[0].text == "mov rax, qword ptr [rip + 0x10]"
