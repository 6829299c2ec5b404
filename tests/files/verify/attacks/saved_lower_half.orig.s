# The lower half of a callee-saved register is restored.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rbx=700000001
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
