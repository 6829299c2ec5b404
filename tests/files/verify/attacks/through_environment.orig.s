# It changes memory that a global pointer leads to, of the same name on both sides.
# expect: not proved
# options: --live-out eax
# input: rdi=5 a=00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     rax, qword ptr [rip + p]
        mov     dword ptr [rax], edi
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
