# The rewrite: see 04_own_constraints_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
        mov     eax, edi
        cdq
        idiv    ecx
        mov     eax, 5
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
