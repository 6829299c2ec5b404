# The rewrite: see 10_frame_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     al, dil
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
