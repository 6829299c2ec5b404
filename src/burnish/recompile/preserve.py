"""A function that preserves more registers than the ABI asks for: it becomes the body of a stub that saves them."""

from __future__ import annotations

from burnish.recompile.bits import cells_in


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
