# The rewrite: see 13_calls_15.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        push    rbx
        mov     rbx, rdi
        call    g
        mov     dword ptr [rbx], 7
        mov     dword ptr [rbx], 8
        pop     rbx
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
