# The rewrite: see 05_faults_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movdqa  xmm0, [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
