# The rewrite: see 09_undefined_11.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        shr     eax, 3
        seto    dl
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
