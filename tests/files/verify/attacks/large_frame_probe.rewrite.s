# The rewrite: see large_frame_probe.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rsp - 0x200000], edi
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
