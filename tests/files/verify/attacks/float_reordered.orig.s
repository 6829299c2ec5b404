# A product and a sum of floats in another order.
# expect: not proved
# options: --prototype 'double f(double, double, double)'
# input: xmm0=1 xmm1=3fe0000000000000 xmm2=4000000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mulsd   xmm0, xmm1
        mulsd   xmm0, xmm2
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
