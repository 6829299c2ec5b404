# The rewrite: see 07_memory_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi + 4], esi
        mov     dword ptr [rdi + 4], esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
