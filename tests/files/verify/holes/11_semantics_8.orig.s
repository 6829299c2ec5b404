# Hole 11. The smaller of two doubles is the second where one is not a number.
# expect: not proved
# options: --prototype 'double f(double, double)'
# input: xmm0=7ff8000000000000 xmm1=3ff0000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        minsd   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
