# The rewrite: see 05_faults_11.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    esi, esi
        je      .L1
        mov     eax, edi
        xor     edx, edx
        div     esi
        ret
.L1:
        mov     eax, 99
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
