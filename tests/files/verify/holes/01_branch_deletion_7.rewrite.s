# The rewrite: see 01_branch_deletion_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, 1
        je      .L1
        cmp     edi, 2
        je      .L1
        xor     eax, eax
        ret
.L1:
        mov     eax, 10
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
