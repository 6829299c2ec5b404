# The rewrite: see 10_frame_5.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        stmxcsr dword ptr [rsp - 4]
        or      dword ptr [rsp - 4], 0x6000
        ldmxcsr dword ptr [rsp - 4]
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
