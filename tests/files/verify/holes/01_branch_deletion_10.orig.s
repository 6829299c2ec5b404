# Control: a branch became a conditional move.
# expect: proved
# options: --live-out eax
# arguments: i32 i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        cmp     edi, esi
        jge     .L1
        mov     eax, esi
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
