# The rewrite: see 11_semantics_22.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, esi
        add     dword ptr [rdi], eax
        mov     eax, dword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
