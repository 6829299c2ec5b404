# The rewrite: see 06_both_crash_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 4
        test    edi, 1
        jne     .L1
        ud2
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
