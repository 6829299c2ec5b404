# The rewrite: see bit_of_zero_masked.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        bsf     ecx, edi
        mov     eax, 1
        shl     eax, cl
        and     eax, edi
        test    edi, edi
        jne     .L1
        bsf     eax, edi
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
