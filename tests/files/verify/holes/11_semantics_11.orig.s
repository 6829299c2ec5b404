# Hole 11. Less, and not greater-or-equal: they differ where one is not a number.
# expect: not proved
# options: --live-out eax
# input: xmm0=7ff8000000000000 xmm1=3ff0000000000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        comisd  xmm1, xmm0
        seta    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
