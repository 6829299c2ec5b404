# Hole 10. It writes above its return address, into the caller's frame.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: stack
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
