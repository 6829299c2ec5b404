# The rewrite: see 11_semantics_14.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        sub     edi, esi
        sets    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
