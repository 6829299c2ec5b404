# The rewrite: see 07_memory_10.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        test    esi, esi
        je      .L1
        mov     dword ptr [rdi], 0
        mov     eax, 1
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
