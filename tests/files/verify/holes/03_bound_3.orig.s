# Hole 3. A count down in closed form, of too few bits: wrong from 65,536 iterations on.
# expect: not proved
# options: --live-out eax
# input: rdi=10001
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        test    edi, edi
        je      .L1
        dec     edi
        inc     eax
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
