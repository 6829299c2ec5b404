# Control: the direction flag is set and cleared again.
# expect: right
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
