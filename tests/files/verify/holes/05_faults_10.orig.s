# Control: an unaligned load for an aligned one.
# expect: proved
# options: --live-out xmm0
# arguments: pointer
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movdqa  xmm0, [rdi]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
