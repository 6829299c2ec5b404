# The rewrite: see 03_bound_9.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + rdi*4 + 1]
        lea     eax, [rax + rax*4 + 1]
        lea     eax, [rax + rax*4 + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
