# The rewrite: see saved_in_vector.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        movq    xmm3, rbx
        mov     ebx, edi
        call    g
        mov     eax, ebx
        movq    rbx, xmm3
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
