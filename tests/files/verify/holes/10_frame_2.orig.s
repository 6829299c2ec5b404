# Hole 10. A callee-saved register is lost on one path.
# expect: not proved
# options: --live-out eax
# input: rdi=0 r12=5
# differs: r12
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      .L1
        lea     eax, [rdi + 1]
        ret
.L1:
        mov     eax, 1
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
