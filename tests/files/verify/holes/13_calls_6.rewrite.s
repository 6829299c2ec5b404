# The rewrite: see 13_calls_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        call    g
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
