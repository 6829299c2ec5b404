# Hole 11. Leading zeros and the index of the highest bit.
# expect: not proved
# options: --live-out eax
# input: rdi=2
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        bsr     eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
