# The rewrite: see 01_branch_deletion_1.orig.s.
        .text
        .globl  f
        .type   f, @function
f:
        xorl    %eax, %eax
        cmpb    $0x2e, (%rdi)
        je      .L1
.L1:
        retq
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
