# The rewrite: see 09_undefined_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     edi, esi
        mov     ecx, 0
        mov     edx, 1
        shl     edx, cl
        sete    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
