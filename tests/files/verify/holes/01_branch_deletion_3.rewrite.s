# The rewrite: see 01_branch_deletion_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        jne     .L1
.L1:
        lea     eax, [rsi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
