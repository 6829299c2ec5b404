# The rewrite: see 03_bound_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    edi, edi
        je      .L1
.L0:
        lea     ecx, [rdi - 1]
        inc     eax
        and     edi, ecx
        jne     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
