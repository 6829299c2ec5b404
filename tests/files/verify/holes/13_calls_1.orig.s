# Hole 13, calls as exits. The arguments change places.
# expect: not proved
# options: --live-out eax
# callees: g 2
# input: rdi=1 rsi=2
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        mov     eax, edi
        call    g
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
