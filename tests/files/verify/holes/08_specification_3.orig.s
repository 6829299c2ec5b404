# Hole 8. One stack pointer only: the rewrite looks at bit 4 of its own, which every caller is free to
# choose.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
