# The rewrite: see 10_frame_22.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 5
        mov     r11, -1
        pxor    xmm5, xmm5
        mov     qword ptr [rsp - 32], r11
        lea     eax, [rdi + 1]
        cmp     eax, 3
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
