# Hole 9. The zero flag after a multiplication is undefined.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        imul    edi, esi
        test    edi, edi
        sete    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
