# The rewrite: see 13_calls_16.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 24
        mov     dword ptr [rsp + 8], 5
        lea     rdi, [rsp + 8]
        call    g
        mov     eax, 5
        add     rsp, 24
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
