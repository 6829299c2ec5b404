# A search stops at the second match: equal for texts with one.
# expect: not proved
# options: --live-out eax
# input: rdi=a a=2e2e2e2e2e00
# differs: rax
        .intel_syntax noprefix
        .text
        .globl  f
        .type   f, @function
f:
        xor     eax, eax
.L0:
        movzx   ecx, byte ptr [rdi]
        test    cl, cl
        je      .L1
        cmp     cl, 0x2e
        jne     .L2
        inc     eax
.L2:
        inc     rdi
        jmp     .L0
.L1:
        ret
        .size   f, .-f
        .section .note.GNU-stack,"",@progbits
