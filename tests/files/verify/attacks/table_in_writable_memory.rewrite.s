# The rewrite: see table_in_writable_memory.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        and     eax, 1
        add     eax, 3
        ret
        .size   f, .-f
        .data
        .globl  table
        .p2align 2
        .type   table, @object
        .size   table, 8
table:
        .long   3, 4
        .section .note.GNU-stack,"",@progbits
