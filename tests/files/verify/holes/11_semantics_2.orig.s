# Hole 11. A scalar load clears the upper lanes, a move between registers keeps them.
# expect: not proved
# options: --live-out xmm0
# input: rdi=a a=0000000000000000 xmm0=10000000000000000
# differs: xmm0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movsd   xmm0, qword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
