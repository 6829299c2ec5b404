# Hole 4. It traps wherever its result would be wrong.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=9
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + rsi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
