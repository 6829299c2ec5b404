# Hole 12. A time-out: the rewrite is wrong where three rounds of mixing give a certain number.
# expect: not proved
# options: --live-out rax
# input: rdi=123456789abcdef
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     rax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
