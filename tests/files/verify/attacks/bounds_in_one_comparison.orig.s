# Control: two comparisons with a range became one.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     edi, 10
        jb      .L1
        cmp     edi, 20
        ja      .L1
        inc     eax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
