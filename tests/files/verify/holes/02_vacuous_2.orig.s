# Hole 2. The rewrite does not end on one input.
# expect: not proved
# options: --live-out eax
# input: rdi=4d
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
