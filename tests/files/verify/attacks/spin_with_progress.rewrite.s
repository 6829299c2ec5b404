# The rewrite: see spin_with_progress.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 1
.L0:
        add     rcx, 2
        test    rcx, rcx
        jne     .L0
        mov     eax, 9
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
