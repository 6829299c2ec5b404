# Hole 10. The rounding mode stays changed.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: mxcsr
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
