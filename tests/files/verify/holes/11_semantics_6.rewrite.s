# The rewrite: see 11_semantics_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, dword ptr [rdi]
        xor     eax, eax
        bt      ecx, esi
        setc    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
