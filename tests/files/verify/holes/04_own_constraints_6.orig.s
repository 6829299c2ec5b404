# Hole 4. It reads a table of its own at an index that the original leaves free, so that large indices would
# be 'excluded'.
# expect: not proved
# options: --live-out eax
# input: rdi=80000000
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 1
        cmp     edi, 4
        adc     eax, 0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
