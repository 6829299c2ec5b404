# The rewrite: see float_reordered.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mulsd   xmm1, xmm2
        mulsd   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
