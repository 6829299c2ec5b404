# The rewrite: see 09_undefined_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 32
        mov     ecx, edi
        test    edi, edi
        je      .L1
        bsf     eax, ecx
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
