# Hole 4, the rewrite's own constraints as assumptions. It stores at address 0: under 'all its accesses are
# allowed' nothing is left to be compared.
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
