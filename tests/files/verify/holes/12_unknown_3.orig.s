# Hole 12. A solver's time-out: the rewrite is wrong where a product of two factors is a number that is hard
# to factorise.
# expect: not proved
# options: --live-out rax
# input: rdi=7fffffed rsi=7fffffc3
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        imul    rax, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
