# The rewrite: see least_by_minus_one.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        cdq
        idiv    esi
        mov     eax, edx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
