# Both arguments of a call in a loop change places from the second round on.
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
        push    rbx
        push    r12
        push    r13
        mov     ebx, 2
        mov     r12, rdi
        mov     r13, rsi
.L0:
        mov     rdi, r12
        mov     rsi, r13
        call    g
        dec     ebx
        jne     .L0
        pop     r13
        pop     r12
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
