# The rewrite: see 13_calls_18.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        call    rdx
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
