# Hole 4. It reads through a register of which the original knows nothing.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=2 rdx=10
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
