# Hole 11. The high half of a signed product is not that of an unsigned one.
# expect: not proved
# options: --live-out rax
# input: rdi=ffffffffffffffff rsi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        imul    rsi
        mov     rax, rdx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
