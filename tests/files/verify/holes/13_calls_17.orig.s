# Hole 13. A call under a condition became one without.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1 rsi=0
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    esi, esi
        je      .L1
        sub     rsp, 8
        call    g
        add     rsp, 8
.L1:
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
