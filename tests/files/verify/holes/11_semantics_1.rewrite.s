# The rewrite: see 11_semantics_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        test    esi, esi
        cmovne  eax, edx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
