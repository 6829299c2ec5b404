# Hole 12. A locked instruction became two that another thread can come between.
# expect: not proved
# options: --live-out eax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        lock    add dword ptr [rdi], esi
        xor     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
