# The rewrite: see 11_semantics_19.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        rol     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
