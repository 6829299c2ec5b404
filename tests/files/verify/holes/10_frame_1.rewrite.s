# The rewrite: see 10_frame_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ebx, edi
        lea     eax, [rbx + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
