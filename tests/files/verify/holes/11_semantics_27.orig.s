# Control: a division by two that rounds toward zero.
# expect: proved
# options: --live-out eax
# arguments: i32
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
