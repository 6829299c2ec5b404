# Hole 1. The jump that is gone guarded a store; results are equal.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=9 a=00000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    esi, esi
        je      .L1
        mov     dword ptr [rdi], esi
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
