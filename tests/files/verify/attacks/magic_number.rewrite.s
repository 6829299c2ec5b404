# The rewrite: see magic_number.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        movabs  rcx, 0x5eed1234cafe9876
        cmp     rdi, rcx
        jne     .L1
        inc     rax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
