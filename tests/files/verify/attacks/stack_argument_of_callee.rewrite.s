# The rewrite: see stack_argument_of_callee.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 16
        push    rsi
        call    g
        add     rsp, 24
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
