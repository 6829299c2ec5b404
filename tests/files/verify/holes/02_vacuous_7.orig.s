# Hole 2. The contradiction is in the data: the loop ends only where a byte is both 1 and 2.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 7
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
