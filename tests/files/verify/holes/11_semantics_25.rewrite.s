# The rewrite: see 11_semantics_25.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        add     rdi, rsi
        cmp     rdi, rsi
        setb    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
