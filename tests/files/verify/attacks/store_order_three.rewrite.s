# The rewrite: see store_order_three.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdx], 3
        mov     dword ptr [rsi], 2
        mov     dword ptr [rdi], 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
