# The rewrite: see 03_bound_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        test    edi, edi
        je      .L1
        cmp     eax, 8
        je      .L1
        lea     ecx, [rdi - 1]
        and     edi, ecx
        inc     eax
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
