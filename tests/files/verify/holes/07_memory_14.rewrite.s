# The rewrite: see 07_memory_14.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     qword ptr [rdi], rdx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
