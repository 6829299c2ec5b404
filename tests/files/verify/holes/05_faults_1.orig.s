# Hole 5, faults. The division comes before the test for zero.
# expect: not proved
# options: --live-out eax
# input: rdi=7 rsi=0
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    esi, esi
        je      .L1
        mov     eax, edi
        xor     edx, edx
        div     esi
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
