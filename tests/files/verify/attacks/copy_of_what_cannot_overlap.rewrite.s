# The rewrite: see copy_of_what_cannot_overlap.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rdi]
        mov     qword ptr [rdi + 8], rax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
