# The rewrite: see 06_both_crash_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        shl     eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
