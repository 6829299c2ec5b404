# The rewrite: see 05_faults_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movdqu  xmm0, [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
