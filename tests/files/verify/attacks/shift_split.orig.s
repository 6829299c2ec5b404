# A shift by n and one by 32 - n make a rotation, but not for n = 0 where the count is not taken modulo 32.
# expect: not proved
# options: --live-out eax
# input: rdi=5 rsi=21
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        mov     eax, edi
        rol     eax, cl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
