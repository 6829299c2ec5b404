# The rewrite: see below_red_zone.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        sub     rsp, 8
        mov     dword ptr [rsp - 8], edi
        call    g
        mov     eax, dword ptr [rsp - 8]
        inc     eax
        add     rsp, 8
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
