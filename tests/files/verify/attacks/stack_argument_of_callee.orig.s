# The seventh argument of a call lies on the stack, and another value is put there.
# expect: not proved
# options: --live-out eax
# callees: g 0
# provided: g takes no arguments on the stack
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 16
        push    rdi
        call    g
        add     rsp, 24
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
