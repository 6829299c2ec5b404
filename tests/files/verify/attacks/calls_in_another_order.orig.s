# Two calls to one function with different arguments change places.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1 rsi=2
# differs: the calls made
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rsi
        call    g
        mov     rdi, rbx
        call    g
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
