# The rewrite: see compare_of_addresses.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        cmp     rdi, rsp
        setb    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
