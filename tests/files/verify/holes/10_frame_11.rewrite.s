# The rewrite: see 10_frame_11.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     rdi, 5
        sete    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
