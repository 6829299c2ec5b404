# The rewrite: see extension_of_sum.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     edi, edi
        mov     esi, esi
        xor     eax, eax
        add     rdi, rsi
        sets    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
