# The rewrite: see 05_faults_3.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        xor     ecx, ecx
        test    rdi, rdi
        cmove   eax, ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
