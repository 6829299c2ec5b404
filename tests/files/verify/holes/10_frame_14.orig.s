# Hole 10. The return address is overwritten.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=0
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
