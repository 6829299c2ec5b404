# The rewrite: see 07_memory_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rsi], 0x22222222
        mov     dword ptr [rdi], 0x11111111
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
