# The rewrite: see 02_vacuous_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        and     eax, 1
        cmp     eax, 2
        je      .L1
        lea     eax, [rdi + 1]
        ret
.L1:
        ud2
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
