# The rewrite: see 12_unknown_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        imul    rsi, rdi
        mov     rax, rsi
        imul    rax, rsi
        mov     rcx, rax
        shr     rcx, 31
        xor     rcx, rax
        mov     rax, rdx
        imul    rax, rcx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
