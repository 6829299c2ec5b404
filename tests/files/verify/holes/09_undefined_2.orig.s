# Hole 9. The highest set bit of 0.
# expect: not proved
# options: --live-out eax
# input: rdi=0 rax=55
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 7
        test    edi, edi
        je      .L1
        bsr     eax, edi
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
