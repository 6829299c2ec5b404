# Hole 3, the bound. A population count that is right for up to 8 bits, and wrong after.
# expect: not proved
# options: --live-out eax
# input: rdi=1ff
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
        lea     ecx, [rdi - 1]
        and     edi, ecx
        inc     eax
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
