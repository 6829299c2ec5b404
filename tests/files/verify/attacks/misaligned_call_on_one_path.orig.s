# On one path the stack is not aligned at the call.
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
        test    edi, edi
        je      .L1
        call    g
.L1:
        add     rsp, 8
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
