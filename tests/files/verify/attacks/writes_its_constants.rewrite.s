# The rewrite: see writes_its_constants.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rip + k], edi
        lea     eax, [rdi + 1]
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
k:
        .long   1
        .section .note.GNU-stack,"",@progbits
