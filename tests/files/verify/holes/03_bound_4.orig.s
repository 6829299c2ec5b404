# Hole 3. One round too few, of a hundred.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 100
        mov     eax, edi
.L0:
        lea     eax, [rax + rax*4 + 1]
        dec     ecx
        jne     .L0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
