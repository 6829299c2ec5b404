# A tail call under a condition leads to one of two functions; in the rewrite always to the first.
# expect: not proved
# options: --live-out eax
# callees: g 1, h 1
# input: rdi=0
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        test    edi, edi
        je      h
        jmp     g
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
