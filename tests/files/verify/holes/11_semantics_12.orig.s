# Hole 11. Vector shifts by the width or more give zero, scalar ones do not.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     ecx, 40
        movd    xmm1, ecx
        movd    xmm0, edi
        pslld   xmm0, xmm1
        movd    eax, xmm0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
