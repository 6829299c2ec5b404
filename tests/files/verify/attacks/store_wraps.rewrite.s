# The rewrite: see store_wraps.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], 1
        mov     dword ptr [rdi + rsi*4], 2
        mov     eax, 2
        test    rsi, rsi
        je      .L1
        mov     eax, dword ptr [rdi + rsi*4]
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
