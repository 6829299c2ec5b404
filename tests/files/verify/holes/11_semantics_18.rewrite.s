# The rewrite: see 11_semantics_18.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        or      edi, 1
        bsr     eax, edi
        xor     eax, 31
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
