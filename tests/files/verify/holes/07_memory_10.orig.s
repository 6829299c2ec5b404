# Hole 7. The store happens on one path only.
# expect: not proved
# options: --live-out eax
# input: rdi=a rsi=0 a=01020304
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rdi], 0
        test    esi, esi
        je      .L1
        mov     eax, 1
        ret
.L1:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
