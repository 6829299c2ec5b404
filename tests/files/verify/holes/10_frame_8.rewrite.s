# The rewrite: see 10_frame_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, r10d
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
