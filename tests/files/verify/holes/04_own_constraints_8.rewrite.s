# The rewrite: see 04_own_constraints_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shr     eax
        movzx   ecx, sil
        or      ecx, 1
        cdq
        idiv    ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
