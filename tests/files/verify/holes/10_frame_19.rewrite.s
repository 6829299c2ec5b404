# The rewrite: see 10_frame_19.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, edi
        lea     eax, [rbx + 1]
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
