# A callee-saved register is kept in a vector register across a call, which does not keep it.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1 rbx=7
# differs: rbx
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, edi
        call    g
        mov     eax, ebx
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
