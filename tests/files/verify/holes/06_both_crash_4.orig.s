# Hole 6. The rewrite traps on a single input.
# expect: not proved
# options: --live-out eax
# input: rdi=1234567
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
