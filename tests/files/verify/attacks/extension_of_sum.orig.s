# Two ints are added with 64 bits and compared.
# expect: not proved
# options: --live-out eax
# input: rdi=ffffffff rsi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        add     edi, esi
        setc    al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
