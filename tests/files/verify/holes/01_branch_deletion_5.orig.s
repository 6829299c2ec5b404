# Hole 1, without a jump: a conditional move onto itself.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rsi=2 rdx=3
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, esi
        test    edi, edi
        cmovne  eax, edx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
