# Hole 13. A call happens twice.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        call    g
        add     rsp, 8
        mov     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
