# The rewrite: see 11_semantics_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        minsd   xmm1, xmm0
        movapd  xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
