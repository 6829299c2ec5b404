# Hole 1, inside a loop: dots are counted, and in the rewrite everything is.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=2e412e00
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        movzx   edx, byte ptr [rdi]
        test    dl, dl
        je      .L2
        cmp     dl, 0x2e
        jne     .L1
        inc     eax
.L1:
        inc     rdi
        jmp     .L0
.L2:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
