# The rewrite: see 12_unknown_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movd    xmm0, edi
        aesenc  xmm0, xmm0
        movd    eax, xmm0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
