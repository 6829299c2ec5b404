# Two addresses that are equal modulo 2^32 are not equal modulo 2^64.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=1 a=0000000000000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], 1
        mov     dword ptr [rdi + rsi*4], 2
        mov     eax, dword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
