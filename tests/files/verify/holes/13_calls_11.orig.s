# Hole 13. A rip-relative operand moves to another constant of the same size.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rip + k]
        imul    eax, edi
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
k:
        .long   3
        .section .note.GNU-stack,"",@progbits
