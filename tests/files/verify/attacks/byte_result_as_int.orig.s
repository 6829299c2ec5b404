# The result is an int, and the rewrite leaves garbage above its byte.
# expect: not proved
# options: --live-out eax
# input: rdi=1234 rsi=5678
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        cmp     edi, esi
        setl    al
        movzx   eax, al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
