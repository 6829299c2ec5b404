# Hole 4. It loads from a misaligned address with an instruction that wants alignment, so that only even
# inputs are looked at.
# expect: not proved
# options: --live-out eax
# input: rdi=3
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
