# The rewrite: see 11_semantics_11.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        comisd  xmm0, xmm1
        setae   al
        xor     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
