# The rewrite: see 03_bound_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        cmp     byte ptr [rdi + rax], 0
        je      .L1
        cmp     rax, 20
        je      .L1
        inc     rax
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
