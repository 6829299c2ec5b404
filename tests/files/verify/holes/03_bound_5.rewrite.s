# The rewrite: see 03_bound_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     rsi, 16
        jbe     .L0
        mov     esi, 16
.L0:
        test    rsi, rsi
        je      .L1
        dec     rsi
        add     al, byte ptr [rdi + rsi]
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
