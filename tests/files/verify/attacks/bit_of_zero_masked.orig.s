# The lowest set bit of 0, undefined, and used where the original returns 0.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    edi, edi
        je      .L1
        bsf     ecx, edi
        mov     eax, 1
        shl     eax, cl
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
