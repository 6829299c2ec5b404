# Control: both sides of a deleted jump did the same.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     edi, 5
        je      .L1
        ret
.L1:
        mov     eax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
