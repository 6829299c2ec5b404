# Hole 13. A variable of the frame whose address went to the callee is expected to keep its value.
# expect: not proved
# options: --live-out eax
# callees: g 0
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 24
        mov     dword ptr [rsp + 8], 5
        lea     rdi, [rsp + 8]
        call    g
        mov     eax, dword ptr [rsp + 8]
        add     rsp, 24
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
