# The rewrite: see unaligned_operand.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        paddd   xmm0, [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
