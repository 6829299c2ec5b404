# Hole 8. The result is a double, and rax is equal.
# expect: not proved
# options: --prototype 'double f(double)'
# input: xmm0=3ff0000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        addsd   xmm0, xmm0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
