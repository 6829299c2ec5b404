# Hole 11. Borrow: 128 bits less one, with the flags of the wrong half.
# expect: not proved
# options: --live-out rax
# input: rdi=0 rsi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rdi, 1
        sbb     rsi, 0
        mov     rax, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
