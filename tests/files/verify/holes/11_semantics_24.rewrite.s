# The rewrite: see 11_semantics_24.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    edi, edi
        sets    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
