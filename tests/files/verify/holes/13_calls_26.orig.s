# Control: a constant at another place.
# expect: proved
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, dword ptr [rip + k]
        imul    eax, edi
        ret
        .size   f, .-f
        .section .rodata,"a",@progbits
        .p2align 2
k:
        .long   3
        .section .note.GNU-stack,"",@progbits
