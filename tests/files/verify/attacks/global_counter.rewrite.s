# The rewrite: see global_counter.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        cmp     dword ptr [rip + k], 0
        jne     .L1
        mov     dword ptr [rip + k], 1
        ret
.L1:
        inc     eax
        ret
        .size   f, .-f
        .bss
        .p2align 2
k:
        .zero   4
        .section .note.GNU-stack,"",@progbits
