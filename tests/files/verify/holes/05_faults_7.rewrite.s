# The rewrite: see 05_faults_7.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   ecx, byte ptr [rdi + 1]
        xor     eax, eax
        cmp     byte ptr [rdi], 0
        cmovne  eax, ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
