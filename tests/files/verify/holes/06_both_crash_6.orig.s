# Control: the original traps for odd inputs; there the rewrite goes on.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        test    edi, 1
        je      .L1
        ud2
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
