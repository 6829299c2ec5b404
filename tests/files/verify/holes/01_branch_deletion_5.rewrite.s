# The rewrite: see 01_branch_deletion_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, esi
        test    edi, edi
        cmovne  eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
