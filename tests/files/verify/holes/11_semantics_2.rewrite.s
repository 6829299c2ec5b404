# The rewrite: see 11_semantics_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movlpd  xmm0, qword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
