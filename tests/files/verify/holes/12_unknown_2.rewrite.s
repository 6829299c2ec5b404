# The rewrite: see 12_unknown_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        rdtsc
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
