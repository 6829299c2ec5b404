# An endless loop that changes a register in every round, so that no state comes twice.
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
