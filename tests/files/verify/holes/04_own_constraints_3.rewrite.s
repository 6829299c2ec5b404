# The rewrite: see 04_own_constraints_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     ecx, [rdi + rsi]
        mov     eax, 3
        cmp     ecx, eax
        jne     .L1
        ret
.L1:
        ud2
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
