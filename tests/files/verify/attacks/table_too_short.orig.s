# A table of constants is read past its end by the rewrite, where something else lies.
# expect: not proved
# options: --live-out eax
# input: rdi=3
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        and     eax, 3
        imul    eax, eax, 5
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
