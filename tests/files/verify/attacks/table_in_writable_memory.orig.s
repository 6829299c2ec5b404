# A table that the program may change is taken for a constant.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     rdx, [rip + table]
        mov     eax, edi
        and     eax, 1
        mov     eax, dword ptr [rdx + rax*4]
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
