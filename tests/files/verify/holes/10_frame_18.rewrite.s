# The rewrite: see 10_frame_18.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     qword ptr [rsp + 8], rbx
        mov     ebx, esi
        mov     dword ptr [rdi], ebx
        mov     rbx, qword ptr [rsp + 8]
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
