# The rewrite: see 05_faults_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
