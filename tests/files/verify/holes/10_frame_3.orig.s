# Hole 10. The caller's stack pointer is 8 too high.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rsp
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
