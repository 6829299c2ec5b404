# The rewrite: see 10_frame_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret     8
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
