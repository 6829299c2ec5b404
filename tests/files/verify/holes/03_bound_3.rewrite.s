# The rewrite: see 03_bound_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, di
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
