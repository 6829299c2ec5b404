"""Control flow against objdump's reading of the same bytes, and of small functions written for one thing each."""

from __future__ import annotations

import bisect
import random
import re
import subprocess
from pathlib import Path

import pytest

from burnish.core.code import (
    Branch,
    Function,
    Jump,
    Label,
    Reason,
    Refused,
    Return,
    Switch,
    TailCall,
    Unreachable,
    successors,
)
from burnish.core.errors import ImageError
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.images import assemble, compile_c, control_flow, load

JUMP = re.compile(r"(?:bnd |notrack )?j[a-z]+\s+([0-9a-f]+)\b")
PADDING = re.compile(r"data16|cs nop|nop|xchg +%ax,%ax|endbr|lea +0x0\(%rsi")


def flow_of(image: Image, name: str, **options: bool) -> Function | Refused:
    return control_flow(
        image, next(b for b in image.functions if b.name == name or name in b.aliases), **options
    )


def function_of(image: Image, name: str = "f") -> Function:
    flow = flow_of(image, name)
    assert isinstance(flow, Function), flow
    return flow


def reason_of(image: Image, name: str = "f") -> Reason:
    flow = flow_of(image, name)
    assert isinstance(flow, Refused), flow
    return flow.reason


def listing(path: Path) -> dict[int, str]:
    """objdump's instruction at each address."""
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True
    ).stdout
    return {
        int(m[1], 16): m[2] for line in text.splitlines() if (m := re.match(r"\s*([0-9a-f]+):\t(.*)", line))
    }


def check_blocks(function: Function) -> None:
    """What every function must satisfy."""
    labels = [block.label for block in function.blocks]
    assert labels[0] == Label(function.address)
    assert len(set(labels)) == len(labels)
    marked = [address for block in function.blocks for address, _ in block.marks]
    assert sorted(marked) == [i.address for i in function.instructions]
    for block in function.blocks:
        assert set(successors(block.terminator)) <= set(labels)
        control = (OpCode.BRANCH, OpCode.CBRANCH, OpCode.BRANCHIND, OpCode.RETURN)
        assert not any(op.opcode in control for op in block.operations)
        indices = [index for _, index in block.marks]
        assert indices == sorted(indices)
        if block.marks:
            assert block.marks[0] == (block.label.address, 0)


@pytest.mark.parametrize(
    "name", ["libz.so.1", "libbz2.so.1.0", "liblzma.so.5", "/usr/bin/bzip2", "/usr/bin/xz"]
)
def test_system_binaries_resolve_and_agree_with_objdump(name: str) -> None:
    """Each reached instruction begins where objdump says that one does, each direct jump's target begins a block, and
    nothing but padding and code behind calls that never return is left over."""
    image = load(name)
    instructions = listing(image.path)
    addresses = sorted(instructions)
    resolved = unreached = 0
    for bounds in (b for b in image.functions if not b.is_part):
        flow = control_flow(image, bounds)
        if isinstance(flow, Refused):
            assert flow.reason in (Reason.SYSTEM, Reason.NO_MEANING, Reason.ATOMIC, Reason.X87), flow
            continue
        resolved += 1
        check_blocks(flow)
        reached = {i.address for i in flow.instructions}
        starts = {block.label.address for block in flow.blocks}
        starts |= {b.terminator.target.offset for b in flow.blocks if isinstance(b.terminator, TailCall)}
        assert reached <= instructions.keys()
        for address in reached:
            if (jump := JUMP.match(instructions[address])) is not None:
                assert int(jump[1], 16) in starts, hex(address)
        first = bisect.bisect_left(addresses, bounds.address)
        for address in addresses[first : bisect.bisect_left(addresses, bounds.end)]:
            unreached += address not in reached and PADDING.match(instructions[address]) is None
    assert resolved >= 0.95 * len(image.functions)
    assert unreached <= 2


def test_no_bytes_make_it_raise() -> None:
    """Random bytes, and real code cut and damaged at random places."""
    generator = random.Random(7)
    image = load("libz.so.1")
    original = image.read(image.functions[0].address, 1500)
    assert original is not None
    template = assemble(".globl f\nf: .fill 2000, 1, 0xc3\n")
    base = template.functions[0].address
    for round_number in range(150):
        data = bytearray(generator.randbytes(400) if round_number % 2 else original)
        for _ in range(5):
            data[generator.randrange(len(data))] = generator.randrange(256)
        image = with_code(template, bytes(data))
        for keep in (False, True):
            flow = control_flow(image, FunctionBounds("f", base, len(data), "symbol"), keep_refused=keep)
            if isinstance(flow, Function):
                check_blocks(flow)


def with_code(image: Image, code: bytes) -> Image:
    from dataclasses import replace

    segments = tuple(
        replace(s, data=code) if s.address == image.functions[0].address else s for s in image.segments
    )
    return replace(image, segments=segments)


def test_straight_branch_and_loop() -> None:
    function = function_of(
        assemble("""
        .globl f
        f:  xor %eax, %eax
            test %edi, %edi
            je 2f
        1:  add %edi, %eax
            dec %edi
            jne 1b
        2:  ret
        """)
    )
    check_blocks(function)
    kinds = [type(block.terminator) for block in function.blocks]
    assert kinds == [Branch, Branch, Return]
    loop = function.blocks[1]
    assert isinstance(loop.terminator, Branch)
    assert loop.terminator.taken == loop.label


@pytest.mark.parametrize("trap", ["ud2", "hlt", "int3"])
def test_traps_end_a_path(trap: str) -> None:
    function = function_of(assemble(f".globl f\nf: test %edi, %edi\n je 1f\n ret\n1: {trap}\n"))
    assert [b.terminator for b in function.blocks if not successors(b.terminator)] == [
        Return(),
        Unreachable(trap=True),
    ]


def test_calls_that_never_return_end_a_path() -> None:
    image = assemble("""
        .globl f, die, again, lost
        f:  push %rbx
            test %edi, %edi
            js 1f
            pop %rbx
            ret
        1:  call die
            .p2align 4
        die:
            push %rax
            call again
            .p2align 4
        again:
            push %rax
            call exit@PLT
        lost:
            push %rax
            call elsewhere@PLT
        """)
    function = function_of(image)
    assert [type(b.terminator) for b in function.blocks] == [Branch, Return, Unreachable]
    assert isinstance(function_of(image, "die").blocks[-1].terminator, Unreachable)
    assert reason_of(image, "lost") is Reason.RUNS_ON


def test_calls_through_the_got_that_never_return() -> None:
    image = assemble(".globl f\nf: push %rax\n call *abort@GOTPCREL(%rip)\n")
    assert isinstance(function_of(image).blocks[0].terminator, Unreachable)


def test_a_function_that_may_return_is_never_taken_for_one_that_does_not() -> None:
    """Through a tail call, an indirect jump or mutual recursion with a way out."""
    image = assemble("""
        .globl f, tail, pointer, ping, pong, spin, g
        f:  push %rax
            call tail
            call pointer
            call ping
            pop %rax
            ret
        tail: jmp getpid@PLT
        pointer: jmp *%rdi
        ping: jmp pong
        pong: test %edi, %edi
            je ping
            ret
        spin: jmp spin
        g:  push %rax
            call spin
        """)
    assert isinstance(function_of(image).blocks[0].terminator, Return)
    assert isinstance(function_of(image, "g").blocks[0].terminator, Unreachable)


def test_tail_calls_direct_conditional_and_through_plt_and_got() -> None:
    image = assemble("""
        .globl f, g, h, i
        f:  test %edi, %edi
            je g
            jmp puts@PLT
        g:  jmp *puts@GOTPCREL(%rip)
        h:  sub $8, %rsp
            mov (%rdi), %rax
            add $8, %rsp
            jmp *%rax
        i:  sub $8, %rsp
            mov (%rdi), %rax
            jmp *%rax
        """)
    f = function_of(image)
    assert isinstance(f.blocks[0].terminator, Branch)
    target = f.blocks[0].terminator.taken
    assert target.address == function_of(image, "g").address
    away = f.block(target)
    assert away.operations == ()
    assert isinstance(away.terminator, TailCall)
    assert away.terminator.target.offset == target.address
    last = f.blocks[1].terminator
    assert isinstance(last, TailCall)
    assert image.plt[last.target.offset].name == "puts"
    assert isinstance(function_of(image, "g").blocks[0].terminator, TailCall)
    indirect = function_of(image, "h").blocks[0].terminator
    assert isinstance(indirect, TailCall)
    assert indirect.target.space is Space.REGISTER
    assert reason_of(image, "i") is Reason.UNRESOLVED_JUMP


def test_a_jump_to_an_address_that_the_function_computed_is_no_tail_call() -> None:
    image = assemble("""
        .globl f, g
        f:  lea 1f(%rip), %rax
            test %edi, %edi
            cmovne %rsi, %rax
            jmp *%rax
        1:  ret
        g:  mov table(%rip), %rax
            jmp *%rax
        2:  ret
        .data
        table: .quad 2b
        """)
    assert reason_of(image) is Reason.UNRESOLVED_JUMP
    assert reason_of(image, "g") is Reason.UNRESOLVED_JUMP


def test_parts_out_of_line_belong_to_their_function(tmp_path: Path) -> None:
    source = """
        #include <stdio.h>
        __attribute__((cold, noinline)) int report(int x) { return puts("large") + x; }
        __attribute__((noinline)) int f(int x) {
            volatile int frame[20];
            frame[0] = x;
            if (x > 100) { frame[0] = report(x) + 1; }
            return frame[0] * 3;
        }
        int main(int argc, char **argv) { return f(argc); }
        """
    path = tmp_path / "f"
    image = compile_c(source, ["-O2", "-pie", "-fPIE"], path)
    bounds = {b.name: b for b in image.functions}
    part, f = bounds["f.cold"], function_of(image)
    assert any(part.address <= b.label.address < part.end for b in f.blocks)
    assert isinstance(control_flow(image, part), Refused)
    subprocess.run(["strip", str(path)], check=True)
    stripped = load(path)
    again = control_flow(stripped, next(b for b in stripped.functions if b.address == f.address))
    assert isinstance(again, Function)
    assert again.blocks == f.blocks


def test_code_that_runs_into_another_function_is_refused() -> None:
    image = assemble(".globl f, g\nf: xor %eax, %eax\ng: ret\n")
    assert reason_of(image) is Reason.RUNS_ON


def test_a_jump_into_another_function_is_refused() -> None:
    image = assemble(".globl f, g\nf: jmp 1f\ng: nop\n1: ret\n")
    assert reason_of(image) is Reason.CONVENTION


def test_overlapping_instructions() -> None:
    """A jump into the middle of an instruction, as glibc skips lock prefixes with."""
    image = assemble(".globl f\nf: test %edi, %edi\n je 1f+1\n1: .byte 0xb8, 0xc3, 0x90, 0x90, 0x90\n ret\n")
    function = function_of(image)
    check_blocks(function)
    assert [type(b.terminator) for b in function.blocks] == [Branch, Return, Return]
    sizes = {i.address - function.address: i.size for i in function.instructions}
    assert sizes == {0: 2, 2: 2, 4: 5, 5: 1, 9: 1}


def test_a_refused_instruction_is_named_and_can_be_kept() -> None:
    image = assemble(".globl f\nf: mov %edi, %eax\n cpuid\n ret\n.globl g\ng: jmp 1f\n cpuid\n1: ret\n")
    refused = flow_of(image, "f")
    assert isinstance(refused, Refused)
    assert refused.address == next(b.address for b in image.functions if b.name == "f") + 2
    kept = flow_of(image, "f", keep_refused=True)
    assert isinstance(kept, Function)
    assert [i.refused is not None for i in kept.instructions] == [False, True, False]
    assert isinstance(flow_of(image, "g"), Function)  # it is never reached there


def test_the_size_limit() -> None:
    image = assemble(".globl f\nf:\n.rept 500\n inc %eax\n.endr\n ret\n")
    bounds = image.functions[0]
    refused = control_flow(image, bounds, limit=400)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.TOO_LARGE
    assert isinstance(control_flow(image, bounds, limit=501), Function)


def test_a_call_that_only_pushes_its_address_is_refused() -> None:
    image = assemble(".globl f\nf: call 1f\n1: pop %rax\n ret\n")
    assert reason_of(image) is Reason.CONVENTION


def test_blocks_end_where_jumps_lead_and_fall_through() -> None:
    image = assemble(".globl f\nf: xor %eax, %eax\n1: inc %eax\n cmp %edi, %eax\n jb 1b\n ret\n")
    assert [type(b.terminator) for b in function_of(image).blocks] == [Jump, Branch, Return]


def test_the_interpreter_of_lua_resolves() -> None:
    """Computed goto through a table of pointers, one for each of the 83 instructions of the virtual machine."""
    try:
        image = load("/usr/bin/lua5.4")
    except ImageError:
        pytest.skip("Lua 5.4 is not installed")
    largest: list[Switch] = []
    for bounds in image.functions:
        if bounds.size < 8000 or bounds.is_part:
            continue
        flow = control_flow(image, bounds)
        assert isinstance(flow, Function), flow
        largest.extend(b.terminator for b in flow.blocks if isinstance(b.terminator, Switch))
    assert max(len(switch.targets) for switch in largest) in (82, 83)
