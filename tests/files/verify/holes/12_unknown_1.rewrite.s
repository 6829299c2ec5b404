# The rewrite: see 12_unknown_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        fld1
        fistp   dword ptr [rsp - 8]
        mov     eax, dword ptr [rsp - 8]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
