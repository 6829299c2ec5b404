# Hole 13. Equal arguments do not give equal results: the second call is gone and the first's result
# doubled.
# expect: not proved
# options: --live-out rax
# callees: g 1
# input: rdi=1
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        push    r12
        sub     rsp, 8
        mov     rbx, rdi
        call    g
        mov     r12, rax
        mov     rdi, rbx
        call    g
        add     rax, r12
        add     rsp, 8
        pop     r12
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
