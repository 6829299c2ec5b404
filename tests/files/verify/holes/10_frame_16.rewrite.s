# The rewrite: see 10_frame_16.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rsp + 16]
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
