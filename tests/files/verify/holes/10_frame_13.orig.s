# Hole 10. Two callee-saved registers come back in each other's place.
# expect: not proved
# options: --live-out eax
# input: rdi=1 rbx=1 r12=2
# differs: rbx
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        push    r12
        lea     eax, [rdi + 1]
        pop     r12
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
