# The rewrite: see 13_calls_21.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        call    abort
        ud2
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
