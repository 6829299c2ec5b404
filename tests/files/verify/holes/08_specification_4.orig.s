# Hole 8. Live-out rax, and the upper half differs.
# expect: not proved
# options: --live-out rax
# input: rdi=80000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movsxd  rax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
