# The rewrite: see 11_semantics_21.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, dil
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
