# The second byte of the register is written, and read as a part of the result.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=2
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, dil
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
