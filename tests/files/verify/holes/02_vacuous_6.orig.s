# Hole 2. A counter that never meets its end for odd starts: the loop steps by two and asks for zero.
# expect: not proved
# options: --live-out eax
# input: rdi=3
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
