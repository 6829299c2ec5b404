# The rewrite: see 09_undefined_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        and     edi, esi
        lahf
        movzx   eax, ah
        and     eax, 16
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
