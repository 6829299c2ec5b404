# The rewrite: see 09_undefined_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 32
        bsf     eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
