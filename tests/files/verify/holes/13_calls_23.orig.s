# Control: a tail call for a call.
# expect: proved
# options: --live-out rax
# callees: strlen 1
# arguments: i64
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        nop
        call    strlen
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
