# The rewrite: see 11_semantics_12.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 40
        mov     eax, edi
        shl     eax, cl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
