# Hole 10. The result comes from a register that nobody wrote.
# expect: not proved
# options: --live-out eax
# input: r10=5
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
