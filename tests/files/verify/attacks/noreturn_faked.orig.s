# After a call to a function that does return stands nothing.
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
        call    g
        add     rsp, 8
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
