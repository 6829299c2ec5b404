# Hole 8. A structure of two numbers: the second comes in rdx.
# expect: not proved
# input: rdi=1 rsi=123456789a
# differs: rdx
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        mov     rdx, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
