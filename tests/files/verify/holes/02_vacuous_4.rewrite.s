# The rewrite: see 02_vacuous_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movabs  rcx, 0x10000000000
.L0:
        dec     rcx
        jne     .L0
        mov     eax, 1234
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
