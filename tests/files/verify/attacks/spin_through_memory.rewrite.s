# The rewrite: see spin_through_memory.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rsp - 8], 1
.L0:
        cmp     dword ptr [rsp - 8], 0
        jne     .L0
        mov     eax, 5
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
