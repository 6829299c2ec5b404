# The rewrite: see 13_calls_12.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        call    g
        mov     eax, esi
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
