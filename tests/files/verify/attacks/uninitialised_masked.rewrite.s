# The rewrite: see uninitialised_masked.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rsp - 64]
        and     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
