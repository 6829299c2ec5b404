# Hole 11. Adding 0.0 turns -0.0 into 0.0.
# expect: not proved
# options: --prototype 'double f(double)'
# input: xmm0=8000000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        pxor    xmm1, xmm1
        addsd   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
