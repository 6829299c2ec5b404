# Hole 11. Less, and the sign of the difference: they differ where it overflows.
# expect: not proved
# options: --live-out eax
# input: rdi=80000000 rsi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     edi, esi
        setl    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
