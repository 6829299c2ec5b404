# Hole 7. Fewer bytes are stored.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=12345 a=0000000000000000
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
