# Hole 9. The sign flag after a division is undefined.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        xor     edx, edx
        or      esi, 1
        div     esi
        mov     ecx, 0
        test    eax, eax
        sets    cl
        mov     eax, ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
