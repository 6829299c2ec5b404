"""Machine code that stands for what the two functions call.

A callee is an unknown function of the arguments that it is known to read, the same for both sides: its stub returns
words picked by a hash of them, writes into every other register that a call may change, and notes the call, its
arguments and a hash of memory in a ledger that is compared. Functions of the C library that compilers put in place of
loops, or loops in place of, are done for real and not noted.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache

from burnish.images.assembler_child import quoted
from burnish.images.memory_functions import NAMES, memory_functions
from burnish.images.relocatable import read_object
from burnish.verify.pair import Callee

LEDGER = 0x3000_0000
"""A word for the number of calls, one for a hash of all of them, one that is 1 after a call that does not return,
one unused, and for each of the first calls the callee's mark and the hash of its arguments and memory."""
NOTED = 12
LEDGER_SIZE = 32 + 16 * NOTED
LITTER = 0x3000_1000
"""A word from which the registers that a call leaves undefined are filled."""
LITTER_SIZE = 8
WATCHED = 0x3000_2000
"""The memory that a callee might look at: the number of runs of words, and for each its address and its length."""
MOST_WATCHED = 64
RESULTS = 0x3000_4000
"""Words that callees return, ``RESULT_WORDS`` for each."""
RESULT_WORDS = 4
STUBS = 0x3100_0000
"""Where stubs lie, for both sides."""
MORE_STUBS = 0x3200_0000
"""Where those lie that only a rewrite calls."""
STUBS_BEGIN, STUBS_END = LEDGER, 0x3300_0000
"""All that stubs use lies there."""

_MIX = 0x5BD1E995
_INTEGERS = ("rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
_NARROW = {
    "rax": ("eax", "ax", "al"), "rcx": ("ecx", "cx", "cl"), "rdx": ("edx", "dx", "dl"),
    "rsi": ("esi", "si", "sil"), "rdi": ("edi", "di", "dil"), "r8": ("r8d", "r8w", "r8b"),
    "r9": ("r9d", "r9w", "r9b"),
}  # fmt: skip

_REAL = {
    "strlen": "xor eax, eax\n2: cmp byte ptr [rdi + rax], 0\nje 3f\ninc rax\njmp 2b\n3:",
    "strcmp": """2: movzx eax, byte ptr [rdi]
movzx ecx, byte ptr [rsi]
cmp eax, ecx
jne 3f
test eax, eax
je 3f
inc rdi
inc rsi
jmp 2b
3: sub eax, ecx""",
    "strncmp": """xor eax, eax
2: test rdx, rdx
je 3f
movzx eax, byte ptr [rdi]
movzx ecx, byte ptr [rsi]
sub eax, ecx
jne 3f
test ecx, ecx
je 3f
inc rdi
inc rsi
dec rdx
jmp 2b
3:""",
    "strchr": """mov rax, rdi
2: movzx ecx, byte ptr [rax]
cmp cl, sil
je 3f
inc rax
test ecx, ecx
jne 2b
xor eax, eax
3:""",
    "memchr": """mov rax, rdi
2: test rdx, rdx
je 4f
cmp byte ptr [rax], sil
je 3f
inc rax
dec rdx
jmp 2b
4: xor eax, eax
3:""",
    "strcpy": """mov rax, rdi
2: movzx ecx, byte ptr [rsi]
mov byte ptr [rdi], cl
inc rsi
inc rdi
test ecx, ecx
jne 2b""",
    "abs": "mov eax, edi\nneg eax\ncmovs eax, edi",
    "labs": "mov rax, rdi\nneg rax\ncmovs rax, rdi",
}
"""The C library's functions as they are defined (ISO C 7.24), in our own words."""

_APART = """mov rax, rdi
sub rax, rsi
je 3f
cmp rax, rdx
jb 2f
neg rax
cmp rax, rdx
jae 3f
2: ud2
3:"""
"""Before ``memcpy``: objects that overlap have no meaning there, unless they are the same, which compilers make use of
and libraries allow."""
REAL_NAMES = NAMES | frozenset(_REAL)
"""Functions that are done for real."""


def mark(callee: Callee) -> int:
    """A number for a callee, in the ledger."""
    return zlib.crc32(callee.name.encode()) | 1


def stub_text(callee: Callee, number: int, dead: tuple[int, int], back: int) -> str:
    """The stub of a callee, in Intel syntax, for ``assemble_stubs``. ``number`` says which words it returns; values
    within ``dead`` are addresses in frames, which may differ; calls that do not return end at ``back``."""
    if callee.name in REAL_NAMES:
        body = _REAL.get(callee.name) or f"call {callee.name}"
        body = f"{_APART}\n{body}" if callee.name == "memcpy" else body
        return f"{body}\n{_scramble(keep=('rax',))}ret\n"
    lines = [f"movabs r11, {mark(callee) * 0x9E3779B97F4A7C15 & (1 << 64) - 1:#x}"]
    for register, size in sorted(callee.arguments or (), key=lambda row: row[0] != "rax"):
        lines += _hashed(register, size, dead)
    lines += ["mov r10, rsp", "and r10d, 15", *_mixed(), "mov r8, r11"]
    if not callee.pure:
        lines += _memory(dead)
    if callee.pure or callee.reads_only:
        lines += ["mov r9, r11"]
    else:
        lines += _noted(callee)
    if not callee.returns:
        lines += [f"mov qword ptr [{LEDGER + 16:#x}], 1", f"movabs r11, {back:#x}", "jmp r11"]
        return "\n".join(lines) + "\n"
    lines += _picked(callee, number)
    return "\n".join(lines) + "\n" + _scramble(tuple(name for name, _ in callee.results)) + "ret\n"


def _mixed() -> list[str]:
    """Takes r10 into the hash in r11."""
    return ["xor r11, r10", f"imul r11, r11, {_MIX:#x}", "ror r11, 29"]


def _without_frames(register: str, dead: tuple[int, int]) -> list[str]:
    """An address in a frame counts as that and no more."""
    low, high = dead
    return [
        f"movabs rax, {low:#x}",
        f"cmp {register}, rax",
        "jb 1f",
        f"movabs rax, {high:#x}",
        f"cmp {register}, rax",
        "jae 1f",
        f"mov {register}, 77",
        "1:",
    ]


def _hashed(register: str, size: int, dead: tuple[int, int]) -> list[str]:
    if register.startswith("xmm"):
        lines = [f"movq r10, {register}" if size >= 8 else f"movd r10d, {register}", *_mixed()]
        if size > 8:
            lines += [
                "sub rsp, 16",
                f"movups [rsp], {register}",
                "mov r10, [rsp + 8]",
                "add rsp, 16",
                *_mixed(),
            ]
        return lines
    if register not in _NARROW:
        return []
    if size >= 8:
        # An address that is no argument itself may be in rax, which is free here unless it is one.
        return [
            f"mov r10, {register}",
            *(_without_frames("r10", dead) if register != "rax" else ()),
            *_mixed(),
        ]
    if size >= 4:
        return [f"mov r10d, {_NARROW[register][0]}", *_mixed()]
    return [f"movzx r10d, {_NARROW[register][1 if size == 2 else 2]}", *_mixed()]


def _memory(dead: tuple[int, int]) -> list[str]:
    """Takes the memory that is watched into r11. All registers that a call may change are free by now but r8."""
    return [
        f"mov rsi, {WATCHED:#x}",
        "mov rcx, [rsi]",
        "2: dec rcx",
        "js 4f",
        "mov rdi, [rsi + 8]",
        "mov rdx, [rsi + 16]",
        "add rsi, 16",
        "3: dec rdx",
        "js 2b",
        "mov r10, [rdi]",
        "add rdi, 8",
        *_without_frames("r10", dead),
        *_mixed(),
        "jmp 3b",
        "4:",
    ]


def _noted(callee: Callee) -> list[str]:
    """Notes the call; leaves in r9 a hash of the arguments and of how many calls there were."""
    return [
        f"mov r9, [{LEDGER:#x}]",
        f"inc qword ptr [{LEDGER:#x}]",
        f"cmp r9, {NOTED}",
        "jae 5f",
        "mov rcx, r9",
        "shl rcx, 4",
        f"mov rax, {mark(callee):#x}",
        f"mov [rcx + {LEDGER + 32:#x}], rax",
        f"mov [rcx + {LEDGER + 40:#x}], r11",
        f"5: mov rax, [{LEDGER + 8:#x}]",
        "xor rax, r11",
        f"imul rax, rax, {_MIX:#x}",
        "ror rax, 31",
        f"mov [{LEDGER + 8:#x}], rax",
        f"imul r9, r9, {_MIX:#x}",
        "ror r9, 30",
        "xor r9, r8",
    ]


def _picked(callee: Callee, number: int) -> list[str]:
    """Puts words picked by r9 into the registers of the result, above which there is litter."""
    base = RESULTS + 8 * RESULT_WORDS * number
    lines: list[str] = [f"mov r10, [{LITTER:#x}]"]
    for place, (register, size) in enumerate(sorted(callee.results, key=lambda row: row[0] != "rax")):
        lines += ["mov rcx, r9", f"shr rcx, {2 * place}", f"and ecx, {RESULT_WORDS - 1}"]
        word = f"[8 * rcx + {base:#x}]"
        if register.startswith("xmm"):
            lines += [f"mov r11, {word}", f"movq {register}, r11"]
            lines += [] if size > 8 else ["movq xmm15, r10", f"punpcklqdq {register}, xmm15"]
        elif register in ("rax", "rdx"):
            lines += [f"mov {register}, {word}"]
            if size < 8:
                lines += [f"mov r11, {(1 << 64) - (1 << 8 * size):#x}", "and r11, r10", "mov rcx, r11"]
                lines += [f"mov r11, {(1 << 8 * size) - 1:#x}", f"and {register}, r11", f"or {register}, rcx"]
    return lines


def _scramble(keep: Iterable[str]) -> str:
    """Fills all registers that a call may change with litter, and the flags."""
    kept = set(keep)
    lines = [f"mov r10, [{LITTER:#x}]"]
    for index in range(16):
        if f"xmm{index}" not in kept:
            lines += [f"movq xmm{index}, r10", f"punpcklqdq xmm{index}, xmm{index}"]
    for index, register in enumerate(("rax", *_INTEGERS)):
        if register not in kept and register != "r10":
            lines += [f"lea {register}, [r10 + {0x1357 * (index + 1):#x}]"]
    return "\n".join((*lines, "add r10b, r10b", "cmp r10b, r11b")) + "\n"


@cache
def assemble_stubs(texts: tuple[str, ...]) -> tuple[bytes, tuple[int, ...]]:
    """Code for ``STUBS`` or anywhere else, and the offset of each of ``texts`` in it."""
    import llvmlite.binding as llvm

    memory_functions()  # also makes LLVM ready
    names = [
        f".globl burnish_stub_{index}\n.p2align 4\nburnish_stub_{index}:\n{text}"
        for index, text in enumerate(texts)
    ]
    body = ".intel_syntax noprefix\n.text\n" + "".join(names) + _library(texts)
    module = llvm.parse_assembly(
        f'target triple = "x86_64-unknown-linux-gnu"\nmodule asm "{quoted(body.encode())}"\n'
    )
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine(
        reloc="pic", codemodel="small"
    )
    made = read_object(machine.emit_object(module))
    code = next(section for section in made.sections if section.name == ".text")
    where = {symbol.name: symbol.value for symbol in made.symbols}
    return code.data, tuple(where[f"burnish_stub_{index}"] for index in range(len(texts)))


def _library(texts: Iterable[str]) -> str:
    """The memory functions that stubs call, as bytes."""
    whole = "".join(texts)
    if not any(f"call {name}\n" in whole for name in NAMES):
        return ""
    made = read_object(memory_functions())
    code = next(section for section in made.sections if section.name == ".text")
    starts = {symbol.value: symbol.name for symbol in made.symbols if symbol.name in NAMES}
    lines = [".p2align 4"]
    edges = sorted({*starts, 0, len(code.data)})
    for start in edges[:-1]:
        end = edges[edges.index(start) + 1]
        lines += [f"{s.name}:" for s in made.symbols if s.name in NAMES and s.value == start]
        lines.append(".byte " + ", ".join(str(octet) for octet in code.data[start:end]))
    return "\n".join(lines) + "\n"
