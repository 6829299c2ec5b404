# The rewrite: see prefix_repeated.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     rcx, [rdx + 1]
        repe    cmpsb
        mov     rax, rcx
        test    rax, rax
        je      .L1
        dec     rax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
