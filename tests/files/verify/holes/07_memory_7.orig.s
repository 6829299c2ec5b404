# Hole 7. Two stores change places, and may overlap by half.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=a+2 a=000000000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], 0x11111111
        mov     dword ptr [rsi], 0x22222222
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
