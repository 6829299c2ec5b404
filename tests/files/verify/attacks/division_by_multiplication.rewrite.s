# The rewrite: see division_by_multiplication.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        mov     edx, 3435973837
        imul    rax, rdx
        shr     rax, 35
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
