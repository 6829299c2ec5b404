# The rewrite: see spin_on_one_input.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, esi
        jne     .L1
        cmp     edi, 0x7fffffff
.L0:
        ja      .L0
.L1:
        lea     eax, [rdi + rsi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
