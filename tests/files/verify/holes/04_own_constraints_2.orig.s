# Hole 4. It divides by zero: under 'no division faults' anything follows.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=2
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
