# The rewrite: see high_byte.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movzx   eax, dil
        mov     ecx, esi
        mov     ah, cl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
