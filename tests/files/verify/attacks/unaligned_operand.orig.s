# A memory operand of a vector instruction wants alignment, a load of its own does not.
# expect: not proved
# options: --live-out xmm0
# input: rdi=a a=0102030405060708090a0b0c0d0e0f1011
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movdqu  xmm1, [rdi]
        paddd   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
