# Hole 7. A load passes a store that may be to its address.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=a rdx=7 a=00000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], edx
        mov     eax, dword ptr [rsi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
