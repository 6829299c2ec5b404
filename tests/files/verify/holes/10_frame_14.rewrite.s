# The rewrite: see 10_frame_14.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     eax, [rdi + 1]
        mov     qword ptr [rsp], rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
