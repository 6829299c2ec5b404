# Control: the lowest set bit, where 0 is excluded.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      .L1
        bsf     eax, edi
        ret
.L1:
        mov     eax, 32
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
