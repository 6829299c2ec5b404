# The rewrite: see 03_bound_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        and     edi, 0x3ff
.L0:
        cmp     eax, edi
        je      .L1
        inc     al
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
