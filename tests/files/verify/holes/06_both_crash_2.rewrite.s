# The rewrite: see 06_both_crash_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        ud2
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
