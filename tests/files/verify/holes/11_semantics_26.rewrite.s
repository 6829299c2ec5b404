# The rewrite: see 11_semantics_26.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rsi
        cmp     rdi, 1
        sbb     rax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
