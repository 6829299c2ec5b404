# Hole 13. A function that does not return is called where the original returns.
# expect: not proved
# options: --live-out eax
# input: rdi=1
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
