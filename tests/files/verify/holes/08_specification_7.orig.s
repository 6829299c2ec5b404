# Hole 8. The function returns nothing, and what counts is in memory.
# expect: not proved
# options: --prototype 'void f(long *, long)'
# input: rdi=a rsi=123456789a a=0000000000000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     qword ptr [rdi], rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
