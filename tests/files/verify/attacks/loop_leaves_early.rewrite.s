# The rewrite: see loop_leaves_early.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        movzx   ecx, byte ptr [rdi]
        test    cl, cl
        je      .L1
        cmp     cl, 0x2e
        jne     .L2
        inc     eax
        cmp     eax, 3
        je      .L1
.L2:
        inc     rdi
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
