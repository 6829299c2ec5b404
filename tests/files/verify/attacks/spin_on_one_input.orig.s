# It does not end where both inputs are equal and large.
# expect: not proved
# options: --live-out eax
# input: rdi=90000000 rsi=90000000
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
