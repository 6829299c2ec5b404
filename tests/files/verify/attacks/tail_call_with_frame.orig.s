# A tail call without the frame being taken down: the callee returns into it.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        jmp     g
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
