# The rewrite: see 11_semantics_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        addsd   xmm1, xmm2
        addsd   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
