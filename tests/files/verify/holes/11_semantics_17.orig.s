# Hole 11. A sum of 32 bits wraps, one of 64 does not.
# expect: not proved
# options: --live-out rax
# input: rdi=ffffffff rsi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + rsi]
        mov     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
