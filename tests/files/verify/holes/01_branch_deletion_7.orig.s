# Hole 1, a switch: two of four cases end in one block.
# expect: not proved
# options: --live-out eax
# input: rdi=2
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, 1
        je      .L1
        cmp     edi, 2
        je      .L2
        xor     eax, eax
        ret
.L1:
        mov     eax, 10
        ret
.L2:
        mov     eax, 20
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
