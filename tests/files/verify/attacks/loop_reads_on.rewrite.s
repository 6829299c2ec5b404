# The rewrite: see loop_reads_on.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        cmp     byte ptr [rdi], 0
        je      .L1
        test    rsi, rsi
        je      .L1
        inc     rdi
        dec     rsi
        jmp     .L0
.L1:
        mov     rax, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
