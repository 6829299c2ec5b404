"""Assembly text in both syntaxes: the bytes that GNU's assembler makes of it, and what is said of wrong text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from burnish.core.code import Function
from burnish.core.errors import ImageError
from burnish.core.image import Image, ImageKind
from burnish.images import assemble, control_flow

ATT = """
    .globl average
    .type average, @function
average:
    mov %edi, %eax
    xor %esi, %eax
    shr %eax
    and %esi, %edi
    add %edi, %eax      # (x ^ y) / 2 + (x & y)
    movups 16(%rdx,%rcx,4), %xmm3
    vpaddd %zmm1, %zmm2, %zmm3
    ret
    .size average, . - average
"""

INTEL = """
    .globl average
    .type average, @function
average:
    mov eax, edi
    xor eax, esi
    shr eax
    and edi, esi
    add eax, edi        # (x ^ y) / 2 + (x & y)
    movups xmm3, [rdx + rcx*4 + 16]
    vpaddd zmm3, zmm2, zmm1
    ret
    .size average, . - average
"""


def code_of(image: Image, name: str) -> bytes:
    bounds = next(b for b in image.functions if b.name == name)
    code = image.read(bounds.address, bounds.size)
    assert code is not None
    return code


@pytest.mark.parametrize(("text", "syntax"), [(ATT, "att"), (INTEL, "intel")])
def test_bytes_are_those_of_gnu_as(text: str, syntax: str, tmp_path: Path) -> None:
    prefix = ".intel_syntax noprefix\n" if syntax == "intel" else ""
    path = tmp_path / "gnu.o"
    subprocess.run(["as", "-o", str(path), "-"], input=(prefix + text).encode(), check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", str(path), str(tmp_path / "bytes")], check=True)
    image = assemble(text, "intel" if syntax == "intel" else "att")
    assert image.kind is ImageKind.OBJECT
    assert code_of(image, "average") == (tmp_path / "bytes").read_bytes()


def test_strings_comments_and_letters_survive() -> None:
    image = assemble('.data\n.globl text\ntext: .ascii "a\\"b\\\\ \\tü; # no comment"\n.text\nf: ret # é "\n')
    data = next(s for s in image.sections if s.name == ".data")
    assert image.read(data.address, data.size) == 'a"b\\ \tü; # no comment'.encode()


def test_labels_become_functions_where_nothing_is_named() -> None:
    image = assemble("""
    first:
        xor %eax, %eax
    loop:
        add %edi, %eax
        dec %edi
        jne loop
        ret
        .p2align 4
    second:
        call first
        jmp away@PLT
    """)
    assert [b.name for b in image.functions] == ["first", "second"]
    assert [i.name for i in image.plt.values()] == ["away"]
    assert all(isinstance(control_flow(image, b), Function) for b in image.functions)


@pytest.mark.parametrize(
    ("text", "syntax", "line"),
    [
        ("f: ret\n  mov %rax, %rbxx\n", "att", 2),
        ("  mov rax, 5\n\n  bogus rax\n", "intel", 3),
        ("  mov $5, rax\n", "att", 1),
        ("f: .quad a - b\n", "att", 1),
        (".unknown_directive\n", "att", 1),
    ],
)
def test_the_first_wrong_line_is_named(text: str, syntax: str, line: int) -> None:
    with pytest.raises(ImageError) as caught:
        assemble(text, "intel" if syntax == "intel" else "att")
    message = str(caught.value)
    assert f"line {line}: " in message
    assert message.endswith(text.split("\n")[line - 1].strip())
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no machine code"),
        ('.section .tdata, "awT"\n .long 1\n .text\n ret\n', "thread-local"),
        ("mov x@gottpoff(%rip), %rax\n ret\n", "does not apply"),
    ],
)
def test_what_cannot_be_laid_out_is_said(text: str, expected: str) -> None:
    with pytest.raises(ImageError, match=expected) as caught:
        assemble(text)
    assert "/" not in str(caught.value)
