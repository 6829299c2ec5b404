# A callee-saved register is restored on one of two ways out.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rbx=7 rsi=0
# differs: rbx
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        test    esi, esi
        je      .L1
        inc     eax
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
