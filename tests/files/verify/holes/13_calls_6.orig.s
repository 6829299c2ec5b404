# Hole 13. The stack is not aligned at the call: the callee may fault.
# expect: not proved
# options: --live-out eax
# callees: g 1
# input: rdi=1
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        nop
        call    g
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
