# The rewrite: see 06_both_crash_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
