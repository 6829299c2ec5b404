"""The memory functions that LLVM's code generator calls on its own account, in position-independent code.

Rebuilt code must not depend on the image importing them, so ``link`` adds these where one is referenced. They
follow the System V ABI, use baseline x86-64 only, and touch no byte outside their operands.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from functools import cache

NAMES = frozenset({"memcpy", "memmove", "memset", "memcmp", "bcmp"})

_ASSEMBLY = r"""
.intel_syntax noprefix
.text
.globl memcpy, memmove, memset, memcmp, bcmp
.type memcpy, @function
.type memmove, @function
.type memset, @function
.type memcmp, @function
.type bcmp, @function

# Up to 32 bytes: everything is loaded before anything is stored, so overlap does not matter.
.p2align 4
memcpy:
memmove:
.cfi_startproc
  mov rax, rdi
  cmp rdx, 16
  jb .Lcopy_small
  cmp rdx, 32
  ja .Lcopy_large
  movups xmm0, [rsi]
  movups xmm1, [rsi + rdx - 16]
  movups [rdi], xmm0
  movups [rdi + rdx - 16], xmm1
  ret
.Lcopy_small:
  cmp edx, 8
  jae .Lcopy_8_15
  cmp edx, 4
  jae .Lcopy_4_7
  test edx, edx
  je .Lcopy_done
  movzx ecx, byte ptr [rsi]
  cmp edx, 1
  je .Lcopy_1
  movzx r8d, word ptr [rsi + rdx - 2]
  mov [rdi], cl
  mov [rdi + rdx - 2], r8w
.Lcopy_done:
  ret
.Lcopy_1:
  mov [rdi], cl
  ret
.Lcopy_4_7:
  mov ecx, [rsi]
  mov r8d, [rsi + rdx - 4]
  mov [rdi], ecx
  mov [rdi + rdx - 4], r8d
  ret
.Lcopy_8_15:
  mov rcx, [rsi]
  mov r8, [rsi + rdx - 8]
  mov [rdi], rcx
  mov [rdi + rdx - 8], r8
  ret
.Lcopy_large:
  mov rcx, rdi
  sub rcx, rsi
  cmp rcx, rdx
  jb .Lcopy_backward
  mov rcx, rdx
  rep movsb
  ret
# The destination begins inside the source: from the end, the last few bytes as above.
.Lcopy_backward:
  movups xmm0, [rsi + rdx - 16]
  movups [rdi + rdx - 16], xmm0
  sub rdx, 16
  cmp rdx, 16
  jae .Lcopy_backward
  jmp .Lcopy_small
.cfi_endproc
.size memcpy, . - memcpy
.size memmove, . - memmove

.p2align 4
memset:
.cfi_startproc
  mov r8, rdi
  movzx eax, sil
  cmp rdx, 16
  ja .Lset_large
  movabs rcx, 0x0101010101010101
  imul rax, rcx
  cmp edx, 8
  jae .Lset_8_16
  cmp edx, 4
  jae .Lset_4_7
  test edx, edx
  je .Lset_done
  mov [rdi], al
  mov [rdi + rdx - 1], al
  shr edx, 1
  mov [rdi + rdx], al
.Lset_done:
  mov rax, r8
  ret
.Lset_4_7:
  mov [rdi], eax
  mov [rdi + rdx - 4], eax
  mov rax, r8
  ret
.Lset_8_16:
  mov [rdi], rax
  mov [rdi + rdx - 8], rax
  mov rax, r8
  ret
.Lset_large:
  mov rcx, rdx
  rep stosb
  mov rax, r8
  ret
.cfi_endproc
.size memset, . - memset

.p2align 4
memcmp:
bcmp:
.cfi_startproc
  xor ecx, ecx
  sub rdx, 8
  jb .Lcompare_tail
.Lcompare_words:
  mov rax, [rdi + rcx]
  mov r8, [rsi + rcx]
  cmp rax, r8
  jne .Lcompare_differ
  add rcx, 8
  sub rdx, 8
  jae .Lcompare_words
.Lcompare_tail:
  add rdx, 8
  je .Lcompare_equal
.Lcompare_bytes:
  movzx eax, byte ptr [rdi + rcx]
  movzx r8d, byte ptr [rsi + rcx]
  sub eax, r8d
  jne .Lcompare_done
  inc rcx
  dec rdx
  jne .Lcompare_bytes
.Lcompare_equal:
  xor eax, eax
.Lcompare_done:
  ret
.Lcompare_differ:
  bswap rax
  bswap r8
  cmp rax, r8
  sbb eax, eax
  or eax, 1
  ret
.cfi_endproc
.size memcmp, . - memcmp
.size bcmp, . - bcmp
.att_syntax
"""


@cache
def memory_functions() -> bytes:
    """The relocatable object that defines ``NAMES``."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    lines = "\n".join(f'module asm "{line}"' for line in _ASSEMBLY.splitlines())
    module = llvm.parse_assembly(f'target triple = "x86_64-unknown-linux-gnu"\n{lines}\n')
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine(
        reloc="pic", codemodel="small"
    )
    return machine.emit_object(module)
