# Hole 9. The auxiliary carry after a logical operation is undefined.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
