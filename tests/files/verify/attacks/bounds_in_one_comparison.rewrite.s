# The rewrite: see bounds_in_one_comparison.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        sub     edi, 10
        cmp     edi, 11
        adc     eax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
