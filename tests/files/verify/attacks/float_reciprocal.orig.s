# A division became a product with the rounded reciprocal.
# expect: not proved
# options: --prototype 'float f(float)'
# input: xmm0=40e00000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1077936128
        movd    xmm1, eax
        divss   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
