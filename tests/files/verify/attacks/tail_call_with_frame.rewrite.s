# The rewrite: see tail_call_with_frame.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        jmp     g
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
