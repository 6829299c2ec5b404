# The rewrite: see 12_unknown_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        mul     rsi
        test    rdx, rdx
        jne     .L1
        cmp     rdi, 1
        jbe     .L1
        cmp     rsi, 1
        jbe     .L1
        movabs  rcx, 0x3fffffd800000487
        cmp     rax, rcx
        jne     .L1
        inc     rax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
