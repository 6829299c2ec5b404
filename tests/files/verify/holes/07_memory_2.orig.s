# Hole 7. Another value is stored.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=5 a=00000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rsi + 1]
        mov     dword ptr [rdi], eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
