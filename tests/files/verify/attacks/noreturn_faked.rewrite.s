# The rewrite: see noreturn_faked.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        call    g
        ud2
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
