# Hole 9, undefined results. The lowest set bit of 0: the manual leaves the register undefined, and the
# rewrite builds on what one make of processor does.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      .L1
        bsf     eax, edi
        ret
.L1:
        mov     eax, 32
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
