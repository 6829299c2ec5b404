# Control: both fault on the same inputs, and agree on the others.
# expect: proved
# options: --live-out eax
# arguments: pointer
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rdi]
        add     eax, eax
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
