# The rewrite: see 06_both_crash_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, 0x1234567
        je      .L1
        lea     eax, [rdi + rdi]
        ret
.L1:
        hlt
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
