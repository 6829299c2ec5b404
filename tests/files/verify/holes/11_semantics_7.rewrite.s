# The rewrite: see 11_semantics_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        pmulhw  xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
