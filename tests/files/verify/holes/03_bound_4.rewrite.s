# The rewrite: see 03_bound_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 99
        mov     eax, edi
.L0:
        lea     eax, [rax + rax*4 + 1]
        dec     ecx
        jne     .L0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
