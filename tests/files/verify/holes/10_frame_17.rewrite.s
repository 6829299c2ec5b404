# The rewrite: see 10_frame_17.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rsp - 512], edi
        mov     eax, dword ptr [rsp - 512]
        inc     eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
