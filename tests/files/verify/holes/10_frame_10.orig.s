# Hole 10. A write of 32 bits clears the upper half, one of 16 does not.
# expect: not proved
# options: --live-out rax
# input: rdi=1 rax=70000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, di
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
