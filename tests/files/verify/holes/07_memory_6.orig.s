# Hole 7. Two stores change places, and may be to one address.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=a a=00
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     byte ptr [rdi], 1
        mov     byte ptr [rsi], 2
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
