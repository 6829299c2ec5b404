# Hole 12. An instruction that only some processors have, and no model.
# expect: not proved
# options: --live-out eax
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
