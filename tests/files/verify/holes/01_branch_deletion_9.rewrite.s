# The rewrite: see 01_branch_deletion_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, esi
        jl      .L1
.L1:
        setl    al
        movzx   eax, al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
