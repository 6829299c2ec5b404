# The rewrite: see 11_semantics_16.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        sar     eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
