# The rewrite: see shift_split.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, esi
        mov     eax, edi
        shl     rax, cl
        mov     edx, 32
        sub     edx, ecx
        mov     ecx, edx
        shr     edi, cl
        or      eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
