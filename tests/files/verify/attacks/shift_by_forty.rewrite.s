# The rewrite: see shift_by_forty.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        mov     edi, edi
        shr     rdi, cl
        mov     eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
