# Hole 11. Rotation through the carry is not rotation.
# expect: not proved
# options: --live-out eax
# input: rdi=80000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        clc
        rcl     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
