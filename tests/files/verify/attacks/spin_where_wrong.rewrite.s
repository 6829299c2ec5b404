# The rewrite: see spin_where_wrong.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        sar     eax, 4
.L0:
        test    eax, eax
        js      .L0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
