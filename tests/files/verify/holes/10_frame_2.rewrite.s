# The rewrite: see 10_frame_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      .L1
        lea     eax, [rdi + 1]
        ret
.L1:
        mov     r12d, 1
        mov     eax, r12d
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
