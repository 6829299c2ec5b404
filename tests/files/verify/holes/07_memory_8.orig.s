# Hole 7. A store to a global variable is gone.
# expect: not proved
# options: --live-out eax
# input: rdi=8
# differs: .data
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     dword ptr [rip + g], edi
        mov     eax, edi
        ret
        .size   f, .-f
        .data
        .globl  g
        .p2align 2
        .type   g, @object
        .size   g, 4
g:
        .long   3
        .section .note.GNU-stack,"",@progbits
