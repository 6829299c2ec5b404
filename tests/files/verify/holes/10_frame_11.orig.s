# Hole 10. An int argument has garbage in the upper half of its register.
# expect: not proved
# options: --live-out eax
# input: rdi=100000005
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     edi, 5
        sete    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
