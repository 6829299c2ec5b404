# Hole 8, a specification that was weakened until both agreed. Nothing is said of the type, so all result
# registers count: the rewrite drops the upper half of the product.
# expect: not proved
# input: rdi=8000000000000000 rsi=4
# differs: rdx
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        mul     rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
