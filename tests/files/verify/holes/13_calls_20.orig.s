# Hole 13. The callee is given a stale argument in its third register.
# expect: not proved
# options: --live-out eax
# callees: g 3
# input: rdi=1 rsi=2 rdx=5
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        mov     edx, esi
        call    g
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
