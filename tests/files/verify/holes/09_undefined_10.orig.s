# Control: a shift by zero leaves the flags as they are.
# expect: proved
# options: --live-out eax
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     edi, esi
        sete    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
