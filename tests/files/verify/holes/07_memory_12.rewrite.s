# The rewrite: see 07_memory_12.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi + 4], 2
        mov     dword ptr [rdi], 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
