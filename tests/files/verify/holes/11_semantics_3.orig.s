# Hole 11. Conversion of a double out of range.
# expect: not proved
# options: --live-out rax
# input: xmm0=4202a05f20000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cvttsd2si rax, xmm0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
