# The rewrite: see store_forwarded_partly.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], edx
        mov     word ptr [rdi + 2], si
        mov     eax, edx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
