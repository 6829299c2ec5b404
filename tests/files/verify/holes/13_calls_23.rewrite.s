# The rewrite: see 13_calls_23.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        jmp     strlen
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
