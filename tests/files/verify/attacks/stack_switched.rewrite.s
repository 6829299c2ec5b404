# The rewrite: see stack_switched.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rdx, rsp
        lea     rsp, [rdi + 8]
        push    rsi
        xor     eax, eax
        mov     rsp, rdx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
