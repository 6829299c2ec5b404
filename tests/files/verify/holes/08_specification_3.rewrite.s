# The rewrite: see 08_specification_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        test    spl, 16
        je      .L1
        inc     eax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
