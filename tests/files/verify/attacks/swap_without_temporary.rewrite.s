# The rewrite: see swap_without_temporary.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, dword ptr [rsi]
        mov     eax, dword ptr [rdi]
        mov     dword ptr [rdi], ecx
        mov     dword ptr [rsi], eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
