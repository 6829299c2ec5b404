# Hole 11. An arithmetic shift is not a division: it rounds down.
# expect: not proved
# options: --live-out eax
# input: rdi=ffffffff
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        cdq
        mov     ecx, 2
        idiv    ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
