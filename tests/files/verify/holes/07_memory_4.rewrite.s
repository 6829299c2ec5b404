# The rewrite: see 07_memory_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     word ptr [rdi], si
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
