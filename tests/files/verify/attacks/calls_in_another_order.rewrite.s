# The rewrite: see calls_in_another_order.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        mov     rdi, rsi
        call    g
        mov     rdi, rbx
        call    g
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
