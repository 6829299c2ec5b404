# Hole 8. The type says 64 bits.
# expect: not proved
# options: --prototype 'long f(int)'
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
