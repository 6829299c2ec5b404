# A shift of 64 bits by 32 or more for two of 32 bits.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=20
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        mov     eax, edi
        shr     eax, cl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
