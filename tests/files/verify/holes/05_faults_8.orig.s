# Hole 5. The quotient of a wide division: its upper half is no longer checked to fit.
# expect: not proved
# options: --live-out rax
# input: rdi=ffffffffffffffff rsi=1
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, rdi
        xor     edx, edx
        div     rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
