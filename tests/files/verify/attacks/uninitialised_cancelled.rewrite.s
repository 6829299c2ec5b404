# The rewrite: see uninitialised_cancelled.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rsp - 16]
        sub     eax, dword ptr [rsp - 16]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
