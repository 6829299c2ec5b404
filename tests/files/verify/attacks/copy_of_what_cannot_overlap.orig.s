# Control: a copy between two halves of one buffer.
# expect: proved
# options: --prototype 'void f(void)'
# arguments: pointer
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
.L0:
        mov     al, byte ptr [rdi + rcx]
        mov     byte ptr [rdi + rcx + 8], al
        inc     rcx
        cmp     rcx, 8
        jne     .L0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
