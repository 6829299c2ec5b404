# Hole 13. Another function is called.
# expect: not proved
# options: --live-out eax
# callees: g 1, h 1
# input: rdi=1
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        nop
        call    g
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
