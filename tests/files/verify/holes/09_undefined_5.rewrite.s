# The rewrite: see 09_undefined_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        mov     eax, edi
        shl     eax, cl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
