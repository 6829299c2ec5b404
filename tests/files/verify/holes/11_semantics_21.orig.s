# Hole 11. Two byte registers of the old kind: ah is not sil.
# expect: not proved
# options: --live-out eax
# input: rdi=1234
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        movzx   eax, ah
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
