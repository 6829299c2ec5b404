# The rewrite: see 13_calls_14.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     ebx, dword ptr [rdi]
        call    g
        mov     eax, ebx
        pop     rbx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
