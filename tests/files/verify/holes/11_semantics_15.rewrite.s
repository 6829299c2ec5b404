# The rewrite: see 11_semantics_15.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        mul     rsi
        mov     rax, rdx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
