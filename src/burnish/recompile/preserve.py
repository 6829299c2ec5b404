"""A function that preserves more registers than the ABI asks for: it becomes the body of a stub that saves them."""

from __future__ import annotations

from typing import Any

from burnish.images.elf_layout import SHF_EXECINSTR
from burnish.images.relocatable import read_object
from burnish.machine.registers import GPR_NAMES
from burnish.recompile.bits import ALL, cell_mask, cells_in

_PLT32 = 4
"""R_X86_64_PLT32: how LLVM refers to what it calls or jumps to."""
_OTHERS = frozenset(("rip", "rflags", "eflags", "mxcsr", *(f"k{i}" for i in range(8))))
_LOW = {
    "rax": "al",
    "rcx": "cl",
    "rdx": "dl",
    "rbx": "bl",
    "rsp": "spl",
    "rbp": "bpl",
    "rsi": "sil",
    "rdi": "dil",
}
_HIGH = {"ah": "rax", "ch": "rcx", "dh": "rdx", "bh": "rbx"}
_GENERAL = _HIGH | {
    part: name
    for name in GPR_NAMES
    for part in (
        (name, f"e{name[1:]}", name[1:], _LOW[name])
        if name in _LOW
        else (name, f"{name}d", f"{name}w", f"{name}b")
    )
}


def with_preserved(module: str, symbol: str, preserve: int) -> str:
    """``module`` with its function ``symbol`` behind a stub that saves and restores the registers of ``preserve``
    (register bytes; whole registers are saved). The function must take no stack arguments: they would move.

    The stub has unwind information of its own, so that debuggers see through it.
    """
    body = f"{symbol}.body"
    general = [cell.name for cell, _ in cells_in(preserve) if cell.size == 8]
    vectors = [cell.name for cell, _ in cells_in(preserve) if cell.size == 16]
    lines: list[str] = []
    for name in general:
        lines += [f"pushq %{name}", ".cfi_adjust_cfa_offset 8"]
    # At entry the stack is 8 bytes off a multiple of 16; it must not be at the call.
    room = 16 * len(vectors) + (8 if len(general) % 2 == 0 else 0)
    if room:
        lines += [f"subq $${room}, %rsp", f".cfi_adjust_cfa_offset {room}"]
    lines += [f"movups %{name}, {16 * i}(%rsp)" for i, name in enumerate(vectors)]
    lines.append(f"callq {body}")
    lines += [f"movups {16 * i}(%rsp), %{name}" for i, name in enumerate(vectors)]
    if room:
        lines += [f"addq $${room}, %rsp", f".cfi_adjust_cfa_offset -{room}"]
    for name in reversed(general):
        lines += [f"popq %{name}", ".cfi_adjust_cfa_offset -8"]
    lines.append("retq")
    text = "\\0A".join(lines)
    stub = (
        f"define void @{symbol}() naked uwtable {{\n"
        f'  call void asm sideeffect "{text}", ""()\n'
        "  unreachable\n}\n"
        f'@llvm.compiler.used = appending global [1 x ptr] [ptr @{body}], section "llvm.metadata"\n'
    )
    # The stub stands first, so that the function's symbol is where its code begins.
    return stub + module.replace(f"@{symbol}(", f"@{body}(").replace("define ", "define internal ", 1)


def registers_written(object_file: bytes) -> int | None:
    """The register bytes that the code of an object may change, whole registers at a time; None where it calls or
    jumps elsewhere, since then others have a say."""
    import capstone
    from capstone import x86

    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    written = 0
    for section in read_object(object_file).sections:
        if not section.flags & SHF_EXECINSTR:
            continue
        if any(relocation.kind == _PLT32 for relocation in section.relocations):
            return None
        done = 0
        for instruction in engine.disasm(section.data, 0):
            done += instruction.size
            if instruction.id == x86.X86_INS_CALL:
                return None
            for register in instruction.regs_access()[1]:
                written |= _cells(instruction.reg_name(register) or "")
        if done < len(section.data):
            return None
    return written


def _cells(name: str) -> int:
    """The whole register that a register's name belongs to; everything for a name that is not known."""
    if name[1:3] == "mm" and name[0] in "xyz":
        return cell_mask(f"xmm{name[3:]}") if int(name[3:]) < 16 else 0
    known = _GENERAL.get(name)
    if known is not None:
        return cell_mask(known)
    return 0 if name in _OTHERS else ALL
