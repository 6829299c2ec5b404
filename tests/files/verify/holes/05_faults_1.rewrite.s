# The rewrite: see 05_faults_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        xor     edx, edx
        div     esi
        test    esi, esi
        mov     ecx, 0
        cmove   eax, ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
