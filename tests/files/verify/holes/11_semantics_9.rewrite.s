# The rewrite: see 11_semantics_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
