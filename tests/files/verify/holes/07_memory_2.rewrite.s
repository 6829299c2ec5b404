# The rewrite: see 07_memory_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], esi
        lea     eax, [rsi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
