# A loop that fills memory and reads the bound from it: reading it once is another thing.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a rsi=a a=03010203
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
.L0:
        cmp     cl, byte ptr [rsi]
        jae     .L1
        mov     byte ptr [rdi + rcx], 0
        inc     ecx
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
