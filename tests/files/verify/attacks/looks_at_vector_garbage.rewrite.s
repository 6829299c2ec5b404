# The rewrite: see looks_at_vector_garbage.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movaps  xmm1, xmm0
        unpckhpd xmm1, xmm1
        addsd   xmm0, xmm0
        movq    rax, xmm1
        test    rax, rax
        je      .L1
        pxor    xmm0, xmm0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
