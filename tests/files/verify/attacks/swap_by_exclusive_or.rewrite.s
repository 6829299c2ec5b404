# The rewrite: see swap_by_exclusive_or.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rsi]
        xor     dword ptr [rdi], eax
        mov     eax, dword ptr [rdi]
        xor     dword ptr [rsi], eax
        mov     eax, dword ptr [rsi]
        xor     dword ptr [rdi], eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
