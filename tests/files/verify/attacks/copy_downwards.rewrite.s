# The rewrite: see copy_downwards.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        test    rdx, rdx
        je      .L1
        dec     rdx
        mov     al, byte ptr [rsi + rdx]
        mov     byte ptr [rdi + rdx], al
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
