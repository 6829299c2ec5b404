# The rewrite: see tail_call_elsewhere.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      g
        jmp     g
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
