# The rewrite: see 11_semantics_23.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1073741824
        shl     rax, 32
        movq    xmm1, rax
        mulsd   xmm0, xmm1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
