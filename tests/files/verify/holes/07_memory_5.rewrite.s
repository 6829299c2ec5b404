# The rewrite: see 07_memory_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
