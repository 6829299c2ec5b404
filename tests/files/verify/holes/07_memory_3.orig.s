# Hole 7. It is stored beside.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=5 a=0000000000000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], esi
        mov     dword ptr [rdi + 4], esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
