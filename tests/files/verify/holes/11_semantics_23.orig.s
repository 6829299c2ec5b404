# Control: a double doubled, by sum and by product.
# expect: right
# options: --prototype 'double f(double)'
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        addsd   xmm0, xmm0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
