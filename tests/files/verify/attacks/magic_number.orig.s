# It is wrong for one number of 2^64, which no test will find.
# expect: not proved
# options: --live-out rax
# input: rdi=5eed1234cafe9876
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
