# The rewrite: see saved_lower_half.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     r10d, ebx
        mov     ebx, edi
        lea     eax, [rbx + 1]
        mov     ebx, r10d
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
