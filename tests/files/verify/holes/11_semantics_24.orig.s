# Control: the sign by shift and by comparison.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shr     eax, 31
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
