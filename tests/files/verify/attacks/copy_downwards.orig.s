# A copy of overlapping memory from its other end.
# expect: not proved
# options: --prototype 'void f(void)'
# input: rdi=a+1 rsi=a rdx=2 a=010203
# differs: window a
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     ecx, ecx
.L0:
        cmp     rcx, rdx
        je      .L1
        mov     al, byte ptr [rsi + rcx]
        mov     byte ptr [rdi + rcx], al
        inc     rcx
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
