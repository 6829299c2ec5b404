# The rewrite: see 10_frame_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ax, di
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
