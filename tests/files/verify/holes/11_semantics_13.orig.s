# Hole 11. An increment leaves the carry as it was.
# expect: not proved
# options: --live-out eax
# input: rdi=ffffffff
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        add     edi, 1
        adc     eax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
