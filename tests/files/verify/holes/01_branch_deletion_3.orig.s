# Hole 1. The side that falls through is gone.
# expect: not proved
# options: --live-out eax
# input: rdi=0 rsi=5
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        jne     .L1
        mov     eax, esi
        ret
.L1:
        lea     eax, [rsi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
