# The rewrite: see 05_faults_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        cdq
        idiv    esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
