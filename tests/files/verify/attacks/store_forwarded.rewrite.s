# The rewrite: see store_forwarded.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], edx
        mov     dword ptr [rsi], ecx
        mov     eax, edx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
