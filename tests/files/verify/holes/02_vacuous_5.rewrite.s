# The rewrite: see 02_vacuous_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        jmp     f
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
