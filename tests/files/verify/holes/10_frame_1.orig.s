# Hole 10, rules of the frame. A callee-saved register is lost.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rbx=5
# differs: rbx
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
