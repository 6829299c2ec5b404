# The rewrite: see 02_vacuous_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    eax, eax
        je      .L1
        lea     eax, [rdi + 1]
        ret
.L1:
        ud2
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
