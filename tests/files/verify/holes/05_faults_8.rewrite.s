# The rewrite: see 05_faults_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        mov     rdx, rdi
        shr     rdx, 63
        div     rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
