# Hole 13. A tail call leads to another function.
# expect: not proved
# options: --live-out eax
# callees: g 1, h 1
# input: rdi=1
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        jmp     g
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
