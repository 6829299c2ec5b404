# The rewrite: see 09_undefined_2.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
        bsr     eax, edi
        lea     eax, [rax + rcx]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
