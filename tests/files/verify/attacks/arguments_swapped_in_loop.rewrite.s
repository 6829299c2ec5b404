# The rewrite: see arguments_swapped_in_loop.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        push    r12
        push    r13
        mov     ebx, 2
        mov     r12, rdi
        mov     r13, rsi
.L0:
        mov     rdi, r12
        mov     rsi, r13
        call    g
        xchg    r12, r13
        dec     ebx
        jne     .L0
        pop     r13
        pop     r12
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
