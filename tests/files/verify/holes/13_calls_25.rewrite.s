# The rewrite: see 13_calls_25.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      .L0
        cmp     edi, 1
        je      .L1
        cmp     edi, 2
        je      .L2
        xor     eax, eax
        ret
.L0:
        mov     eax, 10
        ret
.L1:
        mov     eax, 21
        ret
.L2:
        mov     eax, 32
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
