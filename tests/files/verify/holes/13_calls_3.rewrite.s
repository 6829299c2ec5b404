# The rewrite: see 13_calls_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
