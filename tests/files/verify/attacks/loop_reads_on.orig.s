# A search reads one byte past its end before it looks at the count.
# expect: not proved
# options: --live-out rax
# input: rdi=a+1 rsi=0 a=41
# differs: end
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
.L0:
        test    rsi, rsi
        je      .L1
        cmp     byte ptr [rdi], 0
        je      .L1
        inc     rdi
        dec     rsi
        jmp     .L0
.L1:
        mov     rax, rsi
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
