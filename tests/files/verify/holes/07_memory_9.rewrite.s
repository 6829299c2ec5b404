# The rewrite: see 07_memory_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rsi]
        mov     dword ptr [rdi], edx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
