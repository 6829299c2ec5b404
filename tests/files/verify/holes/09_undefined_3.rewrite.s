# The rewrite: see 09_undefined_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        shl     edi, 5
        seto    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
