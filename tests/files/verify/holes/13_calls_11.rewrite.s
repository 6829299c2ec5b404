# The rewrite: see 13_calls_11.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rip + k]
        imul    eax, edi
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
k:
        .long   5
        .section .note.GNU-stack,"",@progbits
