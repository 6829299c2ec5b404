# The rewrite: see 01_branch_deletion_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    esi, esi
        je      .L1
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
