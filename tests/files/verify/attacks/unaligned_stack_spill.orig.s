# An aligned spill to a stack that is aligned only modulo 8.
# expect: not proved
# options: --live-out xmm0
# input: rdi=1
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movaps  xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
