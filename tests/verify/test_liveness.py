"""What single instructions read and overwrite of the return registers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from burnish.machine.lift import lift
from burnish.machine.registers import CELLS
from burnish.verify.liveness import bytes_left

RAX, RDX, XMM0 = (CELLS[name].offset for name in ("rax", "rdx", "xmm0"))


@pytest.mark.parametrize(
    ("text", "before", "left"),
    [
        ("mov eax, ecx", {RAX, RAX + 7, RDX}, {RDX}),
        ("mov dl, 5", {RDX, RDX + 1}, {RDX + 1}),
        ("mov dh, 5", {RDX, RDX + 1}, {RDX}),
        ("mov rdi, [rdx + 8 * rcx]", {RDX + 7}, None),
        ("mov edi, edx", {RDX + 7}, {RDX + 7}),
        ("mov edi, edx", {RDX + 3}, None),
        ("push rdx", {RDX}, None),
        ("push rcx", {RDX}, {RDX}),
        ("sub rax, rdx", {RDX}, None),
        ("cqo", {RDX}, set()),
        ("cqo", {RAX}, None),
        ("mul rcx", {RDX}, set()),
        ("div rcx", {RDX}, None),
        ("cmovz eax, ecx", {RAX}, None),
        ("bsf edx, ecx", {RDX}, None),
        ("xor edx, edx", {RDX, RDX + 7}, set()),
        ("movsd xmm0, xmm2", {XMM0, XMM0 + 8}, {XMM0 + 8}),
        ("movsd xmm0, qword ptr [rdi]", {XMM0, XMM0 + 8}, set()),
        ("movsd [rsi], xmm0", {XMM0 + 8}, {XMM0 + 8}),
        ("movsd [rsi], xmm0", {XMM0 + 7}, None),
        ("movups [rsi], xmm0", {XMM0 + 8}, None),
        ("pxor xmm0, xmm0", {XMM0 + 15}, set()),
        ("call rax", {RAX}, None),
        ("syscall", {RDX}, None),
        ("vzeroupper", {XMM0}, None),
        ("rep stosb", {RAX}, None),
    ],
)
def test_bytes_left(text: str, before: set[int], left: set[int] | None, tmp_path: Path) -> None:
    if shutil.which("gcc") is None or shutil.which("objcopy") is None:
        pytest.skip("needs gcc and objcopy")
    (tmp_path / "a.s").write_text(f".intel_syntax noprefix\n{text}\n")
    subprocess.run(["gcc", "-c", tmp_path / "a.s", "-o", tmp_path / "a.o"], check=True)
    flat = tmp_path / "a.bin"
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", tmp_path / "a.o", flat], check=True)
    assert bytes_left(lift(flat.read_bytes(), 0x1000), before) == left
