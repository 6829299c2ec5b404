# The rewrite: see double_return.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     rax, [rip + .L1]
        push    rax
        ret
.L1:
        lea     eax, [rdi + 2]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
