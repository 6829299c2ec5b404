# The rewrite: see 02_vacuous_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        cmp     edi, 77
        je      .L0
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
