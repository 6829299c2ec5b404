# A load of four bytes is answered from a store that covers two of them.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=5 rdx=1 a=00000000
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], edx
        mov     word ptr [rdi + 2], si
        mov     eax, dword ptr [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
