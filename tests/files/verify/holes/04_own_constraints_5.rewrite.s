# The rewrite: see 04_own_constraints_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, edi
        and     ecx, 15
        movaps  xmm0, [rsp - 0x48 + rcx]
        xor     eax, eax
        or      eax, edi
        or      eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
