# Control: the same loop with its test at the bottom.
# expect: right
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        test    edi, edi
        je      .L1
        lea     ecx, [rdi - 1]
        and     edi, ecx
        inc     eax
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
