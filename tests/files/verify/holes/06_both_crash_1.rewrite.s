# The rewrite: see 06_both_crash_1.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        mov     eax, dword ptr [rax]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
