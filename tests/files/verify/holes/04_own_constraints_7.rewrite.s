# The rewrite: see 04_own_constraints_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rsp - 8], edi
        mov     eax, dword ptr [rsp - 8]
        add     eax, esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
