# Hole 13. An indirect call leads elsewhere.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        call    rsi
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
