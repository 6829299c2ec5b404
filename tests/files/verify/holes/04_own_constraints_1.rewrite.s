# The rewrite: see 04_own_constraints_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        mov     dword ptr [rax], 1
        mov     eax, 5
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
