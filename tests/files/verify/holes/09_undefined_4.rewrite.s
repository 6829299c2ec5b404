# The rewrite: see 09_undefined_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        imul    edi, esi
        sete    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
