# Hole 10. The result comes from stack that nobody wrote.
# expect: not proved
# options: --live-out eax
# input: rdi=1
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
