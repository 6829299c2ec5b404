# The rewrite: see magic_in_memory.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1
        mov     rcx, qword ptr [rdi]
        movabs  rdx, 0x6e72756221212121
        cmp     rcx, rdx
        jne     .L1
        inc     eax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
