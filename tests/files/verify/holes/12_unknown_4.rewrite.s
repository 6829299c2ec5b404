# The rewrite: see 12_unknown_4.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rcx, rdi
        movabs  rdx, 0x9e3779b97f4a7c15
        imul    rcx, rdx
        mov     rsi, rcx
        shr     rsi, 29
        xor     rcx, rsi
        imul    rcx, rdx
        mov     rsi, rcx
        shr     rsi, 32
        xor     rcx, rsi
        imul    rcx, rdx
        mov     rsi, rcx
        shr     rsi, 27
        xor     rcx, rsi
        lea     rax, [rdi + 1]
        movabs  rdx, 0x277db1f955d48eb6
        cmp     rcx, rdx
        jne     .L1
        inc     rax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
