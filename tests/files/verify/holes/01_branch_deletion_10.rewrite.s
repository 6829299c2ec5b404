# The rewrite: see 01_branch_deletion_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, esi
        mov     eax, esi
        cmovge  eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
