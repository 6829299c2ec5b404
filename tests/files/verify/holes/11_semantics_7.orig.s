# Hole 11. Signed and unsigned high products.
# expect: not proved
# options: --live-out xmm0
# input: xmm0=ffff xmm1=ffff
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        pmulhuw xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
