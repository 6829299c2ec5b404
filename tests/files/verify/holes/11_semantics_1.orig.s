# Hole 11, wrong meanings of instructions. A conditional move of 32 bits clears the upper half even where it
# does not move.
# expect: not proved
# options: --live-out rax
# input: rdi=100000002 rsi=0
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        test    esi, esi
        je      .L1
        mov     eax, edx
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
