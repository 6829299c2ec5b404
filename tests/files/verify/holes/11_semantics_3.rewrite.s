# The rewrite: see 11_semantics_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cvttsd2si eax, xmm0
        cdqe
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
