# Hole 10. A char argument is not extended.
# expect: not proved
# options: --live-out eax
# input: rdi=1ff
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        movsx   eax, dil
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
