# Hole 5. The least number by -1: the quotient does not fit, and the CPU traps.
# expect: not proved
# options: --live-out eax
# input: rdi=80000000 rsi=ffffffff
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     esi, -1
        je      .L1
        mov     eax, edi
        cdq
        idiv    esi
        ret
.L1:
        mov     eax, edi
        neg     eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
