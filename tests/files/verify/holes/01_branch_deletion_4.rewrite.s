# The rewrite: see 01_branch_deletion_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        movzx   edx, byte ptr [rdi]
        test    dl, dl
        je      .L2
        cmp     dl, 0x2e
        jne     .L1
.L1:
        inc     eax
        inc     rdi
        jmp     .L0
.L2:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
