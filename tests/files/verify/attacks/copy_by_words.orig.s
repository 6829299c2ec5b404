# A copy by words of what may overlap by less than a word.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a+1 rsi=a a=010203040506070809
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
.L0:
        mov     al, byte ptr [rsi + rcx]
        mov     byte ptr [rdi + rcx], al
        inc     rcx
        cmp     rcx, 8
        jne     .L0
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
