# Hole 10. A partial register: above al is what was there.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rax=700
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
