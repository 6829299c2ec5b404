# The rewrite: see 03_bound_6.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
        and     esi, -4
        xor     ecx, ecx
.L0:
        cmp     ecx, esi
        jae     .L1
        add     eax, dword ptr [rdi + rcx*4]
        add     eax, dword ptr [rdi + rcx*4 + 4]
        add     eax, dword ptr [rdi + rcx*4 + 8]
        add     eax, dword ptr [rdi + rcx*4 + 12]
        add     ecx, 4
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
