# The rewrite: see unaligned_stack_spill.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movaps  [rsp - 32], xmm1
        movaps  xmm0, [rsp - 32]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
