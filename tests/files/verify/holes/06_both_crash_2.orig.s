# Hole 6. The original traps for one divisor, the rewrite for all.
# expect: not proved
# options: --live-out eax
# input: rdi=6 rsi=2
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        xor     edx, edx
        div     esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
