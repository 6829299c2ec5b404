# The rewrite: see loop_order_of_stores.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
        mov     dl, byte ptr [rsi]
.L0:
        cmp     cl, dl
        jae     .L1
        mov     byte ptr [rdi + rcx], 0
        inc     ecx
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
