# The rewrite: see call_hoisted.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rsi
        call    g
        xor     eax, eax
        test    rbx, rbx
        jne     .L1
        pop     rbx
        ret
.L1:
        sub     rsp, 16
        mov     rdi, rbx
        call    g
        add     rsp, 16
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
