# Control: both edges lead to the next instruction, and that is right: the result comes from the flags.
# expect: proved
# options: --live-out eax
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, esi
        jl      .L1
        xor     eax, eax
        ret
.L1:
        mov     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
