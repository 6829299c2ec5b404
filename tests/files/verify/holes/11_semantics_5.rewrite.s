# The rewrite: see 11_semantics_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        add     rdi, rdx
        lea     rax, [rsi + rcx]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
