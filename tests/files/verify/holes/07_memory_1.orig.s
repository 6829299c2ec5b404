# Hole 7, memory not compared. The store is gone.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=5 a=00000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], esi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
