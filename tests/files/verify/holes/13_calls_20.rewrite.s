# The rewrite: see 13_calls_20.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        nop
        call    g
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
