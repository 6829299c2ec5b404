# The rewrite: see 04_own_constraints_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lea     rax, [rip + table]
        mov     edi, edi
        mov     eax, dword ptr [rax + rdi*4]
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
table:
        .long   2, 2, 2, 2, 1, 1, 1, 1
        .section .note.GNU-stack,"",@progbits
