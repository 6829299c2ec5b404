# Hole 3. Right while a counter of 8 bits does not wrap: 256 iterations change what is returned.
# expect: not proved
# options: --live-out eax
# input: rdi=100
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        and     eax, 0x3ff
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
