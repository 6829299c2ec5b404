# The rewrite: see 08_specification_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        and     eax, 7
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
