# The rewrite: see 12_unknown_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        add     eax, esi
        mov     dword ptr [rdi], eax
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
