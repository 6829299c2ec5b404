# The rewrite: see table_too_short.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     rdx, [rip + table]
        mov     eax, edi
        and     eax, 3
        mov     eax, dword ptr [rdx + rax*4]
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
table:
        .long   0, 5, 10
        .long   14
        .section .note.GNU-stack,"",@progbits
