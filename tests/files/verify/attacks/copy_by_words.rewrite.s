# The rewrite: see copy_by_words.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rsi]
        mov     qword ptr [rdi], rax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
