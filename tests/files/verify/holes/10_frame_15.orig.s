# Hole 10. The frame pointer is restored from where it was not saved.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rbp=7
# differs: rbp
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
