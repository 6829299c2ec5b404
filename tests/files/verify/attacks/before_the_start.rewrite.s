# The rewrite: see before_the_start.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rcx, rdi
        and     rcx, -8
        mov     rax, qword ptr [rcx]
        mov     ecx, edi
        and     ecx, 7
        shl     ecx, 3
        shr     rax, cl
        movzx   eax, al
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
