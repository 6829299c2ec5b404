# It reads its own code, which differs from the original's.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, 0x8b
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
