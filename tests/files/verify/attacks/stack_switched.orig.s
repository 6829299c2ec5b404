# It puts its frame where an argument points, and its writes there remain.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=1 a=0000000000000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
