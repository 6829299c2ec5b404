# Hole 12, unknown as a pass. What the rewrite does is outside what can be modelled.
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
