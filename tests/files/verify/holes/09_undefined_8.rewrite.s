# The rewrite: see 09_undefined_8.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        xor     edx, edx
        or      esi, 1
        div     esi
        mov     ecx, 0
        sets    cl
        mov     eax, ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
