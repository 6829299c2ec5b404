# The rewrite: see 13_calls_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        call    g
        mov     rdi, rbx
        call    g
        pop     rbx
        mov     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
