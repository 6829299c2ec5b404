# Hole 2. No way through the rewrite can be taken but that into a trap.
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
