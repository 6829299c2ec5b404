# It looks at the upper lanes of an argument that is one double.
# expect: not proved
# options: --prototype 'double f(double)'
# input: xmm0=00000000000000013ff0000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        addsd   xmm0, xmm0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
