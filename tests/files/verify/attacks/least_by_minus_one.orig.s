# The remainder of the least number by -1 traps as its quotient does.
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
        mov     eax, edx
        ret
.L1:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
