# The rewrite: see 05_faults_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
