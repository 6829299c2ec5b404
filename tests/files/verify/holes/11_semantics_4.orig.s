# Hole 11. Counts are taken modulo 32 for 32 bits, and modulo 64 for 64.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=20
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        mov     rax, rdi
        shl     rax, cl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
