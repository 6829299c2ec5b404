# Control: the arguments are computed otherwise.
# expect: proved
# options: --live-out rax
# callees: g 2
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        add     edi, edi
        mov     esi, 1
        call    g
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
