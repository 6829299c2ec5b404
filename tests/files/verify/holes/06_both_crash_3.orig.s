# Hole 6. The original faults for odd inputs, the rewrite for even ones.
# expect: not proved
# options: --live-out eax
# input: rdi=2
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 4
        test    edi, 1
        je      .L1
        ud2
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
