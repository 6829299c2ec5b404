# Hole 2. The rewrite ends, with a wrong result, after more iterations than any bound.
# expect: not proved
# options: --live-out eax
# input: rdi=1
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
