# The rewrite: see 02_vacuous_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        jmp     .L0
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
