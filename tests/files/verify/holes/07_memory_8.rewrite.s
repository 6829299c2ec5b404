# The rewrite: see 07_memory_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rip + g]
        mov     eax, edi
        ret
        .size   f, .-f
        .data
        .globl  g
        .p2align 2
        .type   g, @object
        .size   g, 4
g:
        .long   3
        .section .note.GNU-stack,"",@progbits
