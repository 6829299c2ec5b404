# Hole 11. Sums of floats are not associative.
# expect: not proved
# options: --prototype 'double f(double, double, double)'
# input: xmm0=3ff0000000000000 xmm1=4340000000000000 xmm2=c340000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        addsd   xmm0, xmm1
        addsd   xmm0, xmm2
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
