# The rewrite: see 02_vacuous_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        mov     al, byte ptr [rsp - 1]
        cmp     al, 1
        jne     .L0
        cmp     al, 2
        jne     .L0
        mov     eax, 9
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
