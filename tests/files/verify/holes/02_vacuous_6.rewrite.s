# The rewrite: see 02_vacuous_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        test    edi, edi
        je      .L1
        sub     edi, 2
        jmp     .L0
.L1:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
