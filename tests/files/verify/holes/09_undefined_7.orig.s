# Hole 9. A double shift of 16 bits by more than 16 is undefined.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shld    ax, si, 4
        movzx   eax, ax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
