# The rewrite: see 10_frame_20.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbp
        mov     rbp, rsp
        sub     rsp, 32
        mov     dword ptr [rbp - 20], edi
        mov     eax, dword ptr [rbp - 20]
        inc     eax
        leave
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
