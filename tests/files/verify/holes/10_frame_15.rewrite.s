# The rewrite: see 10_frame_15.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        mov     rbp, rsp
        lea     eax, [rdi + 1]
        leave
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
