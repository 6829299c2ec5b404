# Hole 5. Two bytes are read where the first decides.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=00
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     byte ptr [rdi], 0
        je      .L1
        movzx   eax, byte ptr [rdi + 1]
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
