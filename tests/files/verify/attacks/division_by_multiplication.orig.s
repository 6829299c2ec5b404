# Control: an unsigned division by ten, by the usual product.
# expect: right
# options: --live-out eax
# arguments: i32
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        mov     eax, edi
        xor     edx, edx
        mov     ecx, 10
        div     ecx
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
