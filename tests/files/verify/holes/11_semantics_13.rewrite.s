# The rewrite: see 11_semantics_13.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        clc
        inc     edi
        adc     eax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
