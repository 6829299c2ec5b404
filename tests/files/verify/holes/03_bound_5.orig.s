# Hole 3. A sum of an array that stops after 16 elements.
# expect: not proved
# options: --live-out al
# input: rdi=a rsi=12 a=010101010101010101010101010101010101
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        test    rsi, rsi
        je      .L1
        dec     rsi
        add     al, byte ptr [rdi + rsi]
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
