# The rewrite: see 10_frame_21.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        std
        cld
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
