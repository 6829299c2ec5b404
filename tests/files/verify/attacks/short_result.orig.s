# A short is returned where an int is.
# expect: not proved
# options: --live-out eax
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
