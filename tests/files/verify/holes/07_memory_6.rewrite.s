# The rewrite: see 07_memory_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     byte ptr [rsi], 2
        mov     byte ptr [rdi], 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
