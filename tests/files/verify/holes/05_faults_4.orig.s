# Hole 5. An aligned load for one that may be misaligned.
# expect: not proved
# options: --live-out xmm0
# input: rdi=a a=0102030405060708090a0b0c0d0e0f1011
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movdqu  xmm0, [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
