# The rewrite: see uninitialised_same_twice.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rsp - 16]
        sub     eax, dword ptr [rsp - 32]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
