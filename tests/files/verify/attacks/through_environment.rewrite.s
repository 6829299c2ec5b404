# The rewrite: see through_environment.orig.s.
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rip + p]
        mov     dword ptr [rax + 4], edi
        xor     eax, eax
        ret
        .size   f, .-f
        .data
        .globl  p
        .p2align 3
        .type   p, @object
        .size   p, 8
p:
        .quad   0x10000fc0
        .section .note.GNU-stack,"",@progbits
