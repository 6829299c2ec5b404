# The rewrite: see 10_frame_13.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        push    r12
        lea     eax, [rdi + 1]
        pop     rbx
        pop     r12
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
