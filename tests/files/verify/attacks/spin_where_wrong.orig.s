# Where its result would be wrong the rewrite spins.
# expect: not proved
# options: --live-out eax
# input: rdi=80000000
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shr     eax, 4
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
