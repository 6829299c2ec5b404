# Control: the absolute value by the library, whose function is known to be pure, once for twice.
# expect: right
# options: --live-out eax
# callees: abs 1
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        push    r12
        sub     rsp, 8
        mov     ebx, edi
        call    abs
        mov     r12d, eax
        mov     edi, ebx
        call    abs
        add     eax, r12d
        add     rsp, 8
        pop     r12
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
