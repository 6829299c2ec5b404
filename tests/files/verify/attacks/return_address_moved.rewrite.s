# The rewrite: see return_address_moved.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        inc     qword ptr [rsp]
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
